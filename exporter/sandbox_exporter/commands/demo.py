"""`sandbox-exporter demo`: the simulator and the exporter on it, in one process."""

from __future__ import annotations

import argparse
import os

import uvloop

from sandbox_exporter.commands.run import serve
from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.simulator import ServedSimulator, Settings
from sandbox_exporter.simulator import serve as simulate

POLL_INTERVAL = 10.0
"""Seconds between polls: the shortest allowed, for nobody pays for these calls."""
_KEY_PREFIX = "SANDBOX_DEMO_KEY_"
_BUDGETS = {"prod": 250.0, "dev": 240.0}
"""Monthly budgets in USD."""


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT."""
    uvloop.run(_demo(options.listen))
    return 0


async def _demo(listen: str) -> None:
    async with simulate(Settings(), port=0) as simulator:
        config = _config(simulator)

        def announce(address: str) -> None:
            print(
                "Two accounts of simulated SeaCloud and one of simulated Dreadnode are polled.",
                f"Exporter:  {address}/",
                f"Metrics:   {address}/metrics",
                f"Simulator: {simulator.origin}",
                sep="\n",
                flush=True,
            )

        await serve(config, lambda: config, listen, announce=announce)


def _config(simulator: ServedSimulator) -> Config:
    """An account for each that the simulator has; its keys are made up."""
    settings = simulator.simulation.settings
    keys = {account.name: account.api_key for account in settings.seacloud}
    keys |= {account.name: account.api_key for account in settings.dreadnode}
    os.environ.update({_KEY_PREFIX + name: key for name, key in keys.items()})
    seacloud = (
        Account(
            name=account.name,
            provider="seacloud",
            base_url=simulator.seacloud_base_url,
            api_key=SecretRef("env", _KEY_PREFIX + account.name),
            options={"project_id": account.project_id},
            budget_usd=_BUDGETS.get(account.name),
            poll_interval=POLL_INTERVAL,
        )
        for account in settings.seacloud
    )
    dreadnode = (
        Account(
            name=account.name,
            provider="dreadnode",
            base_url=simulator.origin,
            api_key=SecretRef("env", _KEY_PREFIX + account.name),
            options={"organization": account.organization},
            poll_interval=POLL_INTERVAL,
        )
        for account in settings.dreadnode
    )
    return Config(accounts=(*seacloud, *dreadnode))
