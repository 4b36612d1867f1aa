"""The exact truth behind every answer, unrounded and in the vendors' units."""

from __future__ import annotations

from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.organization import Organization
from sandbox_exporter.simulator.simulation import Simulation
from sandbox_exporter.simulator.usage import MIB_PER_GIB, Usage


def account_ledger(
    simulation: Simulation, account: str, start: float, end: float, at: float
) -> dict[str, object] | None:
    """Usage of [start, end) and levels at `at`, all in Unix seconds; None for no such account.

    The simulated clock is no bound: it tells of the future too.
    """
    window = round(start * 1000), round(end * 1000)
    if account in simulation.fleets:
        return fleet_ledger(simulation.fleets[account], *window, round(at * 1000))
    if account in simulation.organizations:
        return organization_ledger(simulation.organizations[account], *window)
    return None


def fleet_ledger(fleet: Fleet, start: int, end: int, at: int) -> dict[str, object]:
    """A SeaCloud account and each template that has any sessions; all in Unix ms."""
    return {
        "account": _entry(fleet, start, end, at, None),
        "templates": {
            history.template.id: _entry(fleet, start, end, at, history.template.id)
            for history in fleet.busy
        },
    }


def organization_ledger(organization: Organization, start: int, end: int) -> dict[str, object]:
    """A Dreadnode organization in a window, and from its beginning to the window's end, in ms."""
    return {
        "runtime_seconds": organization.runtime_ms(start, end) / 1000,
        "sessions": organization.sessions(end) - organization.sessions(start),
        "total_runtime_seconds": organization.lifetime_ms(end) / 1000,
        "sessions_count": organization.sessions(end),
    }


def _entry(
    fleet: Fleet, start: int, end: int, at: int, template_id: str | None
) -> dict[str, float]:
    return {
        **_amounts(fleet.usage(start, end, template_id)),
        "running_sandboxes": fleet.running(at, template_id),
        "storage_capacity_gb": fleet.paused_mib(at, template_id) / MIB_PER_GIB,
    }


def _amounts(usage: Usage) -> dict[str, float]:
    return {
        "runtime_seconds": usage.runtime_seconds,
        "vcpu_hours": usage.vcpu_hours,
        "ram_gb_hours": usage.ram_gb_hours,
        "data_transfer_gb": usage.data_transfer_gb,
        "usage_costs_usd": usage.cost_usd,
        "storage_gb_hours": usage.storage_gb_hours,
    }
