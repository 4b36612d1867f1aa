"""One simulated world: clock, accounts, faults to come and requests so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.faults import FaultBoard
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.journal import Journal
from sandbox_exporter.simulator.stand_in import SimulatedAccount, StandIn, World


@dataclass(frozen=True, slots=True)
class Settings:
    """What is simulated."""

    vendors: Sequence[StandIn[Any]]
    seed: int = 1
    templates: int = 12
    accounts: Sequence[SimulatedAccount] | None = None
    """None for those that each vendor has by itself."""


class Simulation:
    """Everything behind the routes; tests may read and change it directly."""

    def __init__(self, settings: Settings, clock: SimulatedClock | None = None) -> None:
        self.clock = clock or SimulatedClock()
        self.faults = FaultBoard()
        self.journal = Journal()
        self.vendors: Mapping[str, StandIn[Any]] = {v.provider: v for v in settings.vendors}
        own = (account for vendor in settings.vendors for account in vendor.accounts)
        self.accounts: Mapping[str, SimulatedAccount] = {
            account.name: account
            for account in (tuple(own) if settings.accounts is None else settings.accounts)
        }
        """By name, whatever the vendor."""
        self.worlds: Mapping[str, World] = {
            account.name: self.vendors[account.provider].world(
                settings.seed,
                account,
                min(settings.templates, account.most_templates or settings.templates),
            )
            for account in self.accounts.values()
        }
        """By the name of the account."""

    @property
    def fleets(self) -> Mapping[str, Fleet]:
        """The worlds that are fleets of templates, by the name of the account."""
        return {name: world for name, world in self.worlds.items() if isinstance(world, Fleet)}
