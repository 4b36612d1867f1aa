"""What is to be asked, found out before the work begins: templates, busy months, resolution."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import NamedTuple

from sandbox_exporter.backfill.prices import Prices, solve
from sandbox_exporter.backfill.reading import REFUSED
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.together import together
from sandbox_exporter.config.model import DISCOVER, NONE, Account
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Readings, Template
from sandbox_exporter.vendors import History, Provider
from sandbox_exporter.vendors.base import AtOnce, Cycle
from sandbox_exporter.vendors.listing import read_templates

AUTO_MINUTES = 60
"""`auto` goes by the minute where all calls fit into so many minutes at the account's limit."""
_AT_ONCE = 16

Closing = tuple[int, Readings]
"""A month's end, or the span's within it, as Unix seconds, and the month totals until then."""


@dataclass(frozen=True, slots=True)
class Scope:
    """An account (no template) or a template, and what it used in each month."""

    template: Template | None
    months: Mapping[Month, Closing]
    """In order; months that the vendor does not tell of are left out."""

    @property
    def template_id(self) -> str | None:
        """The template's id; None for the account."""
        return self.template.id if self.template else None

    def busy(self) -> Mapping[Month, Closing]:
        """The months from the first one with usage on."""
        return dict(dropwhile(lambda entry: not any(entry[1][1].values()), self.months.items()))


class Refusal(NamedTuple):
    """A time of which the vendor tells nothing, and its words."""

    template_id: str | None
    start: int
    end: int
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """One account's part of a backfill."""

    provider: str
    account: str
    span: Span
    resolution: Cycle
    calls: int
    """Upstream calls to be made at most, retries aside."""
    scopes: Sequence[Scope]
    refused: Sequence[Refusal]
    """Months of which the vendor tells nothing."""

    def label(self, template_id: str | None) -> str:
        """How the account or a template is called in messages."""
        return f"{self.account}, {template_id}" if template_id else self.account

    def windows(self, scope: Scope) -> Sequence[Window]:
        """The windows in which a scope may have samples."""
        busy = scope.busy()
        return [w for w in self.span.windows(self.resolution) if w.month in busy]

    def prices(self, month: Month) -> Prices:
        """The unit prices of a month."""
        return solve([scope.months[month][1] for scope in self.scopes if month in scope.months])


async def make_plan(
    account: Account, provider: Provider, history: History, span: Span, resolution: Cycle | None
) -> Plan:
    """Asks for the templates, and for the totals of each month and template.

    `resolution` None chooses: see `AUTO_MINUTES`. Raises `UpstreamError`.
    """
    months = span.months()
    templates = await _templates(account, provider, months)
    refused: list[Refusal] = []
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(template: Template | None) -> Scope:
        closings: dict[Month, Closing] = {}
        template_id = template.id if template else None
        for window in months:
            try:
                async with slots:
                    told = await history.totals(window, template_id)
                closings[window.month] = (window.end, told)
            except UpstreamError as error:
                if error.reason not in REFUSED:
                    raise
                refused.append(
                    Refusal(template_id, max(window.start, span.start), window.end, str(error))
                )
        return Scope(template, closings)

    scopes = await together(ask(template) for template in (None, *templates))
    if resolution is None:
        fits = _calls(history, span, Cycle.MINUTE, scopes) <= (
            account.max_requests_per_minute * AUTO_MINUTES
        )
        resolution = Cycle.MINUTE if fits else Cycle.DAY
    span = span.aligned(resolution)
    calls = _calls(history, span, resolution, scopes)
    return Plan(provider.name, account.name, span, resolution, calls, scopes, refused)


def _calls(history: History, span: Span, resolution: Cycle, scopes: Sequence[Scope]) -> int:
    """Calls for totals, trends and costs when something is used in every window."""
    runtime = sum(trend.by_template for trend in history.trends)
    always = len(history.trends) - runtime
    calls = 0
    for scope in scopes:
        extra = always if scope.template is None else 0
        busy = scope.busy()
        for window in span.windows(resolution):
            if window.month in busy:
                used = any(busy[window.month][1].values())
                calls += extra + (1 + runtime + (resolution is Cycle.DAY) if used else 0)
    return calls


async def _templates(
    account: Account, provider: Provider, months: Sequence[Window]
) -> Sequence[Template]:
    """Those that the exporter would poll."""
    if account.templates == NONE or provider.templates is None:
        return ()
    if account.templates != DISCOVER:
        return [Template(name) for name in account.templates]
    if isinstance(provider.templates, AtOnce):
        told = [await provider.templates.fetch(window) for window in months]
        listing: Sequence[Template] = list({t.id: t for month in told for t in month}.values())
    else:
        listing = await read_templates(provider.templates)
    latest = sorted(listing, key=lambda t: (t.last_spawned, t.spawn_count), reverse=True)
    return latest[: account.max_templates]
