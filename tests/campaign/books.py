"""The exact books of a simulated vendor, and what it says of them at a moment, right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.templates import Template

TURN = Month(2026, 11).start
MINUTE, HOUR, DAY = 60, 3600, 86400
Span = tuple[int, int]
"""Seconds [from, to) relative to the month's turn."""
FIELDS = ("vcpu_hours", "ram_gb_hours", "data_transfer_gb", "usage_costs_usd")
Totals = dict[str, float]


@dataclass(frozen=True, slots=True)
class Correction:
    """A share of a template's month that the vendor takes back for a while, or for good."""

    template: int
    span: Span
    share: float


@dataclass(frozen=True)
class Scenario:
    """What goes wrong in ten days over a month's turn. Moments are seconds relative to it."""

    name: str
    promised: bool = True
    """Whether `increase()` is exact by the contract."""
    down: tuple[Span, ...] = ()
    """When the vendor cannot be reached."""
    booked_after: int = 0
    """Seconds by which usage is booked late."""
    reset_late: int = 0
    """Seconds for which the new month's totals go on from the old one's."""
    reset_early: int = 0
    """Seconds for which the old month's totals already start again before its end."""
    births: tuple[int, ...] = ()
    """When templates appear."""
    corrections: tuple[Correction, ...] = ()
    clock: tuple[tuple[Span, int], ...] = ()
    """When the exporter's clock is wrong, and by how many seconds."""
    restarts: tuple[int, ...] = ()
    """When the exporter is killed and started again, with its state file."""
    lost: float = 0.0
    """Share of scrapes that never arrive."""
    unsure: tuple[Span, ...] = field(default=())
    """When else the counters are behind the books on purpose, so that no range may end there."""


class Books:
    """A vendor's account, by a ledger that is exact for any window."""

    def __init__(self, scenario: Scenario, seed: int, templates: int = 5) -> None:
        self.scenario = scenario
        self.now = TURN
        """The vendor's own time, which is right."""
        self._fleet = Fleet(seed, scenario.name, templates)
        for number, moment in enumerate(scenario.births):
            born = Template(f"born-{number}", f"born-{number}", sessions_per_day=200.0)
            self._fleet.add(born, (TURN + moment) * 1000)

    @property
    def ids(self) -> list[str]:
        """Every template that is ever there."""
        return [history.template.id for history in self._fleet.busy]

    def booked(self, month: Month, at: int, template_id: str | None = None) -> Totals:
        """What is booked of a month at a moment, corrections included: the truth."""
        until = min(month.end, at - self.scenario.booked_after)
        totals = self._used(month.start, until, template_id)
        for correction in self.scenario.corrections:
            start, end = (TURN + moment for moment in correction.span)
            corrected = self.ids[correction.template]
            if start <= at < end and Month.at(start) == month and template_id in (None, corrected):
                lost = self._used(month.start, min(until, start), corrected)
                totals = {f: v - correction.share * lost[f] for f, v in totals.items()}
        return totals

    def get(self, endpoint: str, params: Mapping[str, str | int]) -> object:
        """The vendor's answer now; raises `UpstreamError` when it cannot be reached."""
        if self._in(self.scenario.down):
            raise UpstreamError(Reason.CONNECT, "down")
        match endpoint:
            case "summary" | "template_summary":
                return self._summary(params)
            case "templates":
                listed = self._fleet.listed(self.now * 1000) if not params.get("offset") else []
                return [{"templateID": history.template.id} for history in listed]
        raise UpstreamError(Reason.NOT_FOUND, "not found", status=404)

    def _summary(self, params: Mapping[str, str | int]) -> object:
        start, end = int(params["start_time"]) // 1000, (int(params["end_time"]) + 1) // 1000
        id_ = params.get("template_id")
        template_id = None if id_ is None else str(id_)
        month = Month.at(start)
        totals = self._said(month, min(end, self.now), template_id)
        return {
            **totals,
            "running_sandboxes": self._fleet.running(min(end, self.now) * 1000 - 1, template_id),
            "storage_capacity_gb": 0,
            "start_time": start * 1000,
            "end_time": end * 1000,
        }

    def _said(self, month: Month, at: int, template_id: str | None) -> Totals:
        """What the vendor says of a month: its books, or those that it forgot to close."""
        early, late = self.scenario.reset_early, self.scenario.reset_late
        if month.start == TURN and self.now < TURN + late:
            before = self.booked(month.previous(), month.start, template_id)
            new = self.booked(month, at, template_id)
            return {f: before[f] + new[f] for f in FIELDS}
        if month.end == TURN and TURN - early <= self.now < TURN:
            return self._used(TURN - early, at - self.scenario.booked_after, template_id)
        return self.booked(month, max(at, self.now), template_id)

    def _used(self, start: int, end: int, template_id: str | None) -> Totals:
        used = self._fleet.usage(start * 1000, max(start, end) * 1000, template_id)
        return {
            "vcpu_hours": used.vcpu_hours,
            "ram_gb_hours": used.ram_gb_hours,
            "data_transfer_gb": used.data_transfer_gb,
            "usage_costs_usd": used.cost_usd,
        }

    def _in(self, spans: tuple[Span, ...]) -> bool:
        return any(start <= self.now - TURN < end for start, end in spans)
