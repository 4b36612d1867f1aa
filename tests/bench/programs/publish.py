"""Publishes many templates again and again and prints what that cost, as JSON.

CPU is measured in rounds of their own, since the ticker that looks for a blocked event loop needs
some itself.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from collections.abc import Awaitable
from contextlib import suppress

import uvloop
from prometheus_client import generate_latest

from sandbox_exporter.commands.run import spare_collections
from tests.bench.programs.fleet import Chain
from tests.bench.programs.registry import fill


class Ticker:
    """Looks at the clock each millisecond; what comes later than that was blocked."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Runs until it is cancelled."""
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


async def main(templates: int, rounds: int) -> None:
    """Prints one figure for each round and kind."""
    chain = Chain(templates)
    spare_collections()
    figures: dict[str, list[float]] = {"snapshot": [], "render": [], "blocked": [], "polling": []}
    for _ in range(rounds):
        await chain.poller.poll()
        began = time.process_time()
        chain.publisher.publish(chain.poller.snapshot())
        made = time.process_time()
        await chain.publisher.render()
        figures["snapshot"].append(made - began)
        figures["render"].append(time.process_time() - made)
    for _ in range(rounds):
        figures["polling"].append(await _blocked(chain.poller.poll()))
        figures["blocked"].append(await _blocked(chain.publish()))
    page = chain.publisher.page.text
    print(
        json.dumps(
            {
                **figures,
                **_library(chain),
                "bytes": [len(page.plain), len(page.gzip)],
                "samples": page.plain.count(b"\nsandbox_template_"),
            }
        )
    )


async def _blocked(work: Awaitable[None]) -> float:
    """The longest time for which the event loop did nothing else while `work` was done."""
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    await asyncio.sleep(0.01)
    await work
    await asyncio.sleep(0.01)
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    return ticker.longest


def _library(chain: Chain) -> dict[str, float]:
    """What prometheus_client needs for one scrape of the same data: blocking, text only."""
    registry = fill(chain.snapshot())
    began = time.process_time()
    text = generate_latest(registry)
    made = time.process_time()
    gzip.compress(text)
    return {"library": made - began, "library_gzip": time.process_time() - made}


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
