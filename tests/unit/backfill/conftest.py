"""A vendor whose usage is known to the minute, and the samples of a finished file."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.backfill.report import Report
from sandbox_exporter.backfill.run import Source, backfill
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.workspace import Workspace
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.vendors import Endpoint, TemplatePage, TemplateSource
from sandbox_exporter.vendors.base import Cycle, Rounding, Trend

ROUNDING = 0.01
PRICES = {
    Field.VCPU_SECONDS: 0.25,
    Field.MEMORY_BYTE_SECONDS: 0.5,
    Field.DATA_TRANSFER_BYTES: 2.0,
}
TOTALS = tuple(PRICES)
Called = tuple[str, str | None, int, int]


class Vendor:
    """A provider and its history. Templates have half of the account's usage each.

    Usage comes in odd hours, so that there are idle hours, too.
    """

    name = "seacloud"
    rounding = Rounding()
    cost_rounding = 0.005
    endpoints: Sequence[Endpoint] = ()

    def __init__(self, templates: Sequence[str] = ("a", "b")) -> None:
        self.names = templates
        self.templates: TemplateSource | None = self
        self.began = 0
        """No usage before this."""
        self.keeps_from = 0
        """Earlier windows are refused."""
        self.points_from = 0
        """Trends have no points before this."""
        self.idle_days: set[int] = set()
        self.calls: list[Called] = []
        self._used: dict[object, float] = {}
        self.fail: Callable[[Called], UpstreamError | None] = lambda called: None
        self.trends: Sequence[Trend] = (
            *(self._trend(quantity, (Cycle.MINUTE, Cycle.DAY)) for quantity in TOTALS),
            self._trend(Field.RUNNING_SANDBOXES, (Cycle.MINUTE, Cycle.DAY)),
            self._trend(Field.PAUSED_STORAGE_BYTES, (Cycle.HOUR, Cycle.DAY), by_template=False),
        )

    def rate(self, minute: int, quantity: Field) -> float:
        """The account's usage of a minute, or its level."""
        if quantity is Field.PAUSED_STORAGE_BYTES:
            return 7.0
        day = minute * 60 // Cycle.DAY * Cycle.DAY
        if minute * 60 < self.began or day in self.idle_days or minute // 60 % 2 == 0:
            return 0.0
        if quantity is Field.RUNNING_SANDBOXES:
            return 2.0
        return {TOTALS[0]: 1 / 3, TOTALS[1]: 2 / 3, TOTALS[2]: 0.1 + minute % 7 / 70}[quantity]

    def used(self, quantity: Field, start: int, end: int) -> float:
        """The account's usage of a window."""
        key = (quantity, start, end, self.began, frozenset(self.idle_days))
        if key not in self._used:
            middle = range(-(-start // Cycle.DAY) * Cycle.DAY, end - Cycle.DAY + 1, Cycle.DAY)
            if end - start > Cycle.DAY and middle:
                days = (self.used(quantity, day, day + Cycle.DAY) for day in middle)
                first = self.used(quantity, start, middle[0])
                last = self.used(quantity, middle[-1] + Cycle.DAY, end)
                self._used[key] = math.fsum((first, *days, last))
            else:
                minutes = range(start // 60, end // 60)
                self._used[key] = math.fsum(self.rate(minute, quantity) for minute in minutes)
        return self._used[key]

    def exact(self, start: int, end: int, template_id: str | None = None) -> dict[Field, float]:
        """What was used in a window."""
        share = 0.5 if template_id else 1.0
        used = {quantity: share * self.used(quantity, start, end) for quantity in TOTALS}
        return {**used, Field.COST_USD: sum(PRICES[q] * used[q] for q in TOTALS)}

    async def totals(self, window: Window, template_id: str | None) -> Readings:
        await self._called("totals", template_id, window.start, window.end)
        return self.exact(window.start, window.end, template_id)

    async def daily_costs(self, month: Month, template_id: str | None) -> Mapping[int, float]:
        await self._called("costs", template_id, month.start, month.end)
        return {
            day: round(self.exact(day, day + Cycle.DAY, template_id)[Field.COST_USD], 2)
            for day in range(month.start, month.end, Cycle.DAY)
        }

    async def page(self, offset: int) -> TemplatePage:
        await self._called("templates", None, 0, 0)
        names = self.names[offset:]
        listed = [Template(name, name=f"name of {name}", type="custom") for name in names]
        return TemplatePage(listed, len(listed))

    async def usage(self, template_id: str, window: Window) -> Readings:
        raise AssertionError("only the poller asks this")

    def _trend(
        self, quantity: Field, cycles: tuple[Cycle, ...], *, by_template: bool = True
    ) -> Trend:
        async def fetch(cycle: Cycle, window: Window, template_id: str | None) -> Sequence[float]:
            await self._called(str(quantity), template_id, window.start, window.end)
            return [
                self._bucket(quantity, at, cycle, template_id)
                for at in range(window.start, window.end, cycle)
            ]

        name, fields = str(quantity), (quantity,)
        return Trend(name, fields, cycles, ROUNDING / 2, fetch, by_template, not by_template)

    def _bucket(self, quantity: Field, at: int, cycle: Cycle, template_id: str | None) -> float:
        if at < self.points_from:
            return math.nan
        if quantity in TOTALS:
            share = 0.5 if template_id else 1.0
            used = (
                self.rate(at // 60, quantity)
                if cycle == 60
                else self.used(quantity, at, at + cycle)
            )
            return round(share * used / ROUNDING) * ROUNDING
        return self.rate(at // 60, quantity)

    async def _called(self, what: str, template_id: str | None, start: int, end: int) -> None:
        called = (what, template_id, start, end)
        self.calls.append(called)
        await asyncio.sleep(0)
        error = self.fail(called)
        if error:
            raise error
        if what != "templates" and start < self.keeps_from:
            raise UpstreamError(Reason.INVALID_REQUEST, "too long ago")


@dataclass
class Result:
    """A finished backfill."""

    samples: int
    text: str
    said: str
    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, value, moment = line.rsplit(" ", 2)
                self.series.setdefault(name, []).append((int(moment), float(value)))

    def of(self, metric: str, template_id: str | None = None) -> dict[int, float]:
        """One series."""
        more = f',template_id="{template_id}"' if template_id else ""
        name = f'{metric}{{provider="seacloud",account="prod"{more}}}'
        return dict(self.series.get(name, ()))


Run = Callable[..., Result]


@pytest.fixture
def at() -> Callable[[str], int]:
    """Unix seconds of an ISO time in UTC."""
    return lambda text: int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture
def run(tmp_path: Path, at: Callable[[str], int]) -> Run:
    """Backfills one account called `prod` from a vendor."""

    def backfilled(
        vendor: Vendor,
        start: str,
        end: str,
        resolution: Cycle | None = Cycle.MINUTE,
        *,
        output: Path | None = None,
        per_minute: int = 120,
    ) -> Result:
        account = Account(
            "prod", "seacloud", "", SecretRef("env", ""), max_requests_per_minute=per_minute
        )
        output = output or tmp_path / "out.om"
        said = io.StringIO()
        report = Report(said, io.StringIO())
        workspace = Workspace(output, "arguments")
        try:
            samples = asyncio.run(
                backfill(
                    [Source(account, vendor, vendor)],
                    Span(at(start), at(end)),
                    resolution,
                    workspace,
                    report,
                )
            )
            Parts(workspace.folder, workspace.progress.sizes).join(output)
            report.missing(workspace.progress)
            report.done(workspace.progress, output)
            workspace.remove()
        finally:
            workspace.close()
        return Result(samples, output.read_text(), said.getvalue())

    return backfilled


@pytest.fixture
def make_vendor() -> type[Vendor]:
    """Makes a vendor."""
    return Vendor
