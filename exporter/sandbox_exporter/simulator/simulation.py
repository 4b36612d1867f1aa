"""One simulated world: clock, fleets, faults to come and requests so far."""

from __future__ import annotations

from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.faults import FaultBoard
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.journal import Journal
from sandbox_exporter.simulator.organization import Organization
from sandbox_exporter.simulator.settings import Settings


class Simulation:
    """Everything behind the routes; tests may read and change it directly."""

    def __init__(self, settings: Settings, clock: SimulatedClock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SimulatedClock()
        self.faults = FaultBoard()
        self.journal = Journal()
        self.fleets = {
            account.name: Fleet(
                settings.seed,
                account.name,
                min(settings.templates, account.most_templates or settings.templates),
            )
            for account in settings.seacloud
        }
        """By the name of the SeaCloud account."""
        self.organizations = {
            account.name: Organization(settings.seed, account.name)
            for account in settings.dreadnode
        }
        """By the name of the Dreadnode account."""
