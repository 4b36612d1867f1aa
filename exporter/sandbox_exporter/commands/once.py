"""`sandbox-exporter once`: one poll, printed; for cron and the textfile collector."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time

from sandbox_exporter.commands.settings import load
from sandbox_exporter.config.model import Config
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.pipeline import compose


def main(options: argparse.Namespace) -> int:
    """Prints the metrics as text 0.0.4; 1 when an account failed."""
    publisher = asyncio.run(_poll(load(options.config_file)))
    sys.stdout.write(publisher.page.text.plain.decode())
    return 0 if all(account.up for account in publisher.snapshot.accounts) else 1


async def _poll(config: Config) -> Publisher:
    pipeline = compose(config, sent=False)
    pollers, publisher = pipeline.pollers.values(), pipeline.publisher
    await asyncio.gather(*(poller.poll() for poller in pollers))
    publisher.restart(poller.snapshot() for poller in pollers)
    await publisher.render()
    for poller in pollers:
        # What is printed counts as scraped: the next run goes on from the zeros of births.
        poller.ledger.release(time.monotonic(), math.inf)
        await poller.client.aclose()
    if pipeline.saver is not None:
        await pipeline.saver.close()
    return publisher
