"""`sandbox-exporter simulate`: only the simulator, and the environment with which to poll it."""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop

from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.simulator import Settings, serve
from sandbox_exporter.vendors import VENDORS
from sandbox_exporter.vendors.simulated import environment, stand_ins
from sandbox_exporter.web.listen import parse_address


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    if not 0 <= options.templates <= 100_000:
        raise ConfigError([Problem("--templates", "out of range, allowed: 0 to 100000")])
    settings = Settings(stand_ins(), seed=options.seed, templates=options.templates)
    uvloop.run(_serve(options.listen, settings))
    return 0


async def _serve(listen: str, settings: Settings) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    async with serve(settings, *parse_address(listen)) as simulator:
        print(
            f"Simulator of {' and '.join(v.title for v in VENDORS.values())} at {simulator.origin}",
            *environment(simulator),
            sep="\n",
            flush=True,
        )
        await end.wait()
