"""Polls a vendor by the minute in leaping time, and prints what was asked and published, as JSON.

Poller, ledger, client and limit are the real ones, over real HTTP. Only waiting is left out: the
event loop's clock leaps over it, and whatever looks at a clock looks at that one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.request import urlopen

from sandbox_exporter.client import Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.vendors import build, build_client

MINUTE = 60.0


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be set forward."""

    leapt = 0.0

    def time(self) -> float:
        """Seconds, those that were leapt over included."""
        return super().time() + self.leapt


async def main(loop: LeapingLoop, port: int, minutes: int, limit: int, origin: int) -> None:
    """Polls once a simulated minute and after each notes the vendor's count of calls."""
    base = loop.time()
    metrics = SelfMetrics()
    account = Account(
        "bench",
        "seacloud",
        f"http://127.0.0.1:{port}",
        SecretRef("env", "BENCH_KEY"),
        max_requests_per_minute=limit,
    )
    observer = metrics.account(account)
    limiter = Limiter(limit, loop.time)
    client = build_client(account, limiter, observer, clock=loop.time)
    publisher = Publisher(metrics)
    poller = AccountPoller(
        account,
        Upstream(build(account, client), client, limiter),
        Ledger(MonthClose()),
        Timing(wall=lambda: origin + loop.time() - base, clock=loop.time),
        observer,
        lambda: publisher.served("bench"),
    )
    publisher.restart([poller.snapshot()])
    calls: list[int] = []
    known: list[int] = []
    for minute in range(minutes):
        loop.leapt += max(0.0, base + minute * MINUTE - loop.time())
        await poller.poll()
        calls.append(_calls(port))
        snapshot = poller.snapshot()
        known.append(sum(bool(template.usage.readings) for template in snapshot.templates))
        publisher.publish(snapshot)
    await publisher.render()
    await client.aclose()
    assert poller.window is not None
    page = publisher.page.text.plain.decode()
    print(json.dumps({"calls": calls, "known": known, "end": poller.window.end, "page": page}))


def _calls(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/bench") as answer:
        return sum(json.load(answer)["calls"].values())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        running = runner.get_loop()
        assert isinstance(running, LeapingLoop)
        runner.run(main(running, *map(int, sys.argv[1:])))
