"""The simulator of all vendors, and how the exporter is pointed at it."""

from __future__ import annotations

import os
from typing import Any

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.simulator import ServedSimulator, StandIn
from sandbox_exporter.vendors import VENDORS

_KEY_PREFIX = "SANDBOX_DEMO_KEY_"


def stand_ins() -> tuple[StandIn[Any], ...]:
    """Every vendor's part of the simulator."""
    return tuple(vendor.stand_in() for vendor in VENDORS.values())


def environment(simulator: ServedSimulator) -> tuple[str, ...]:
    """The `NAME=value` lines with which the exporter polls the first account of each vendor."""
    lines: list[str] = []
    for vendor in VENDORS.values():
        accounts = simulator.simulation.accounts.values()
        account = next((a for a in accounts if a.provider == vendor.name), None)
        if account is not None:
            own = {"api_key": account.api_key, "base_url": simulator.base_url(vendor.name)}
            values = {**own, **account.options}
            names = vendor.variables.items()
            lines += [f"{name}={values[key]}" for key, name in names if key in values]
    return tuple(lines)


def accounts(simulator: ServedSimulator, poll_interval: float) -> tuple[Account, ...]:
    """An account of a configuration for each that the simulator has.

    Their keys, which are made up, go into this process's environment.
    """
    made = simulator.simulation.accounts.values()
    os.environ.update({_KEY_PREFIX + account.name: account.api_key for account in made})
    return tuple(
        Account(
            name=account.name,
            provider=account.provider,
            base_url=simulator.base_url(account.provider),
            api_key=SecretRef("env", _KEY_PREFIX + account.name),
            options=account.options,
            budget_usd=account.budget_usd,
            poll_interval=poll_interval,
        )
        for account in made
    )
