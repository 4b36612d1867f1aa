"""`sandbox-exporter demo`: the simulator and the exporter on it, in one process."""

from __future__ import annotations

import argparse
from collections import Counter

import uvloop

from sandbox_exporter.commands.run import serve
from sandbox_exporter.config.model import Config
from sandbox_exporter.simulator import ServedSimulator, Settings
from sandbox_exporter.simulator import serve as simulate
from sandbox_exporter.vendors import VENDORS
from sandbox_exporter.vendors.simulated import accounts, stand_ins

POLL_INTERVAL = 10.0
"""Seconds between polls: the shortest allowed, as these calls cost nothing."""


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    uvloop.run(_demo(options.listen))
    return 0


async def _demo(listen: str) -> None:
    async with simulate(Settings(stand_ins()), port=0) as simulator:
        config = Config(accounts(simulator, POLL_INTERVAL))

        def announce(address: str) -> None:
            print(
                _polled(simulator),
                f"Exporter:  {address}/",
                f"Metrics:   {address}/metrics",
                f"Simulator: {simulator.origin}",
                sep="\n",
                flush=True,
            )

        await serve(config, lambda: config, listen, announce=announce)


def _polled(simulator: ServedSimulator) -> str:
    """How many accounts of which vendors are polled, as a sentence."""
    counts = Counter(account.provider for account in simulator.simulation.accounts.values())
    each = (f"{count} of {VENDORS[provider].title}" for provider, count in counts.items())
    return f"Simulated accounts are polled: {', '.join(each)}."
