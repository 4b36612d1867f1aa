"""`sandbox-exporter once`: one poll, printed; for cron and the textfile collector."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from sandbox_exporter.commands.settings import load
from sandbox_exporter.config.model import Config
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.poll.build import build_poller


def main(options: argparse.Namespace) -> int:
    """Prints the metrics as text 0.0.4; 1 when an endpoint of any account failed."""
    publisher = asyncio.run(_poll(load(options.config_file)))
    sys.stdout.write(publisher.page.text.plain.decode())
    return 0 if all(account.up for account in publisher.snapshot.accounts) else 1


async def _poll(config: Config) -> Publisher:
    metrics = SelfMetrics()
    metrics.reloaded(time.time(), ok=True)
    publisher = Publisher(metrics)
    pollers = [
        build_poller(account, config, metrics.account(account), served=lambda: publisher.served)
        for account in config.accounts
    ]
    await asyncio.gather(*(poller.poll() for poller in pollers))
    publisher.restart(poller.snapshot() for poller in pollers)
    await publisher.render()
    for poller in pollers:
        await poller.client.aclose()
    return publisher
