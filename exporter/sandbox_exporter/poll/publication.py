"""What is published of an account: its numbers as the ledger and the health of its calls stand."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from sandbox_exporter.config.model import Account
from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.model import Field
from sandbox_exporter.poll.context import Timing
from sandbox_exporter.poll.health import AccountHealth
from sandbox_exporter.poll.template_poll import TemplatePoll
from sandbox_exporter.snapshot import AccountSnapshot, TemplateUsage, Usage
from sandbox_exporter.vendors.base import Provider

_STEP = 1000
"""Templates whose published numbers are made at one go, so that scrapes are served in between."""


class Publication:
    """Makes the snapshots of one account."""

    def __init__(
        self,
        account: Account,
        provider: Provider,
        ledger: Ledger,
        timing: Timing,
        health: AccountHealth,
        templates: TemplatePoll,
    ) -> None:
        self._account = account
        self._provider = provider
        self._totals = provider.endpoints[0].name
        self._ledger = ledger
        self._timing = timing
        self._health = health
        self._templates = templates

    async def prepare(self) -> None:
        """Has the ledger make what `snapshot` will show, for that runs without giving way."""
        if not self._shows_templates():
            return  # nothing is shown, so nothing may be remembered as shown
        now = self._timing.wall()
        for place, entry in enumerate(tuple(self._templates.book), start=1):
            self._ledger.show(entry.template.id, now)
            if place % _STEP == 0:
                await asyncio.sleep(0)

    def moment(self) -> Hashable:
        """What of the published state changes by the clock alone: phase, month, what is stale."""
        now, clock = self._timing.wall(), self._timing.clock()
        fresh = self._health.freshness(clock)
        stale = self._templates.book.stale(clock, self._timing.stale_after)
        month = self._ledger.shown_month(now)
        return self._timing.close.phase(now), month, self._ledger.turned(now), fresh, stale

    def snapshot(self, *, tried: bool) -> AccountSnapshot:
        """What is published of the account at this moment; `tried` as `AccountSnapshot` has it."""
        now = self._timing.wall()
        templates = self._templates
        return AccountSnapshot(
            provider=self._provider.name,
            account=self._account.name,
            tried=tried,
            endpoints=self._health.published(),
            created=self._ledger.shown_month(now, ACCOUNT_SCOPE + self._totals).start,
            usage=self._account_usage(now),
            templates=self._template_usages(now),
            templates_known=len(templates.book),
            templates_dropped=templates.book.dropped,
            templates_invalid=templates.left_out,
            budget_usd=self._account.budget_usd,
        )

    def _account_usage(self, now: float) -> Usage:
        counters: dict[Field, float] = {}
        readings: dict[Field, float] = {}
        for endpoint in self._provider.endpoints:
            if self._health.fresh(endpoint.name):
                usage = self._ledger.show(ACCOUNT_SCOPE + endpoint.name, now)
                counters.update(usage.counters)
                readings.update(usage.readings)
        return Usage(counters, readings)

    def _template_usages(self, now: float) -> tuple[TemplateUsage, ...]:
        if not self._shows_templates():
            return ()
        clock = self._timing.clock()
        return tuple(
            TemplateUsage(entry.template, self._ledger.show(entry.template.id, now))
            for entry in self._templates.book
            if entry.fresh(clock, self._timing.stale_after)
        )

    def _shows_templates(self) -> bool:
        return self._templates.wanted and self._health.fresh(self._totals)
