"""What a snapshot tells, as tests compare it."""

from __future__ import annotations

from sandbox_exporter.model import Field
from sandbox_exporter.snapshot import AccountSnapshot

COST = Field.COST_USD


def up(snapshot: AccountSnapshot) -> dict[str, bool]:
    """Which of the published endpoints are up."""
    return {endpoint.name: endpoint.up for endpoint in snapshot.endpoints}


def costs(snapshot: AccountSnapshot) -> dict[str, float]:
    """The cost counter of each template that has one."""
    return {
        t.template.id: t.usage.counters[COST]
        for t in snapshot.templates
        if COST in t.usage.counters
    }
