"""A vendor made up in memory, and pollers of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import BILLING_UNITS, Field, Readings, Template
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.vendors import Endpoint, TemplatePage, TemplateSource
from sandbox_exporter.vendors.base import Rounding

ACCOUNT = Account("prod", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))


class FakeVendor:
    """A provider and its templates, whose usage a test sets and whose calls it counts."""

    name = "seacloud"
    rounding = Rounding()
    page_size = 100
    """Templates on a page of the list."""

    def __init__(self, *ids: str, decimals: int | None = None) -> None:
        self.usages: dict[str, dict[Field, float]] = {id_: {Field.COST_USD: 0.0} for id_ in ids}
        self.unlisted: dict[Field, float] = {}
        """Usage of the account that is no template's."""
        self.listing = [Template(id_) for id_ in ids]
        self.unusable: dict[int, str] = {}
        """What is wrong with further items of the list."""
        self.failures: dict[str, UpstreamError] = {}
        """By endpoint or template id."""
        self.calls: list[tuple[str, Window | None]] = []
        self.call_seconds = 0.0
        self.limiter: Limiter | None = None
        self.templates: TemplateSource | None = self
        self.endpoints: Sequence[Endpoint] = (
            Endpoint("summary", self._summary),
            Endpoint("storage", self._storage, optional=True),
            Endpoint("costs_previous", self._costs, every=3600.0, optional=True),
        )
        self._decimals = self.account_decimals = decimals

    def asked(self) -> list[str]:
        """What was asked since this was last called, in order."""
        asked = [name for name, _ in self.calls]
        self.calls.clear()
        return asked

    @property
    def account(self) -> Readings:
        """The totals of the account."""
        total: dict[Field, float] = {}
        for usage in (*self.usages.values(), self.unlisted):
            for field_, value in usage.items():
                total[field_] = total.get(field_, 0.0) + value
        return self._rounded(total, self.account_decimals)

    def use(self, id_: str, cost: float, **levels: float) -> None:
        """A template uses something and comes to have levels."""
        usage = self.usages.setdefault(id_, {})
        usage[Field.COST_USD] = usage.get(Field.COST_USD, 0.0) + cost
        usage.update({Field(name): value for name, value in levels.items()})

    async def page(self, offset: int) -> TemplatePage:
        await self._called("templates", None)
        templates = self.listing[offset : offset + self.page_size]
        unusable = list(self.unusable.items()) if offset == 0 else []
        return TemplatePage(templates, len(templates), dict(unusable))

    async def usage(self, template_id: str, window: Window) -> Readings:
        await self._called(template_id, window)
        return self._rounded(self.usages[template_id], self._decimals)

    async def _summary(self, window: Window) -> Readings:
        await self._called("summary", window)
        return self.account

    async def _storage(self, window: Window) -> Readings:
        await self._called("storage", window)
        return {Field.STORAGE_USED_BYTES: 1024.0}

    async def _costs(self, window: Window) -> Readings:
        await self._called("costs_previous", window)
        return {Field.BILLED_COST_PREVIOUS_USD: 9.0}

    async def _called(self, name: str, window: Window | None) -> None:
        self.calls.append((name, window))
        if self.limiter is not None:
            await self.limiter.take()
        await asyncio.sleep(self.call_seconds)
        if name in self.failures:
            raise self.failures[name]

    def _rounded(self, usage: Readings, decimals: int | None) -> Readings:
        if decimals is None:
            return dict(usage)
        units = {f: BILLING_UNITS.get(f, 1.0) for f in usage}
        return {f: round(v / units[f], decimals) * units[f] for f, v in usage.items()}


@dataclass
class FakeObserver:
    """Remembers what polls report of themselves."""

    errors: list[tuple[str, Reason]] = field(default_factory=list)
    polls: int = 0
    corrections: int = 0
    skips: list[int] = field(default_factory=list)

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """No request is sent here."""

    def error(self, endpoint: str, reason: Reason) -> None:
        self.errors.append((endpoint, reason))

    def polled(self, seconds: float, ended: float) -> None:
        self.polls += 1

    def corrected(self, count: int) -> None:
        self.corrections += count

    def skipped(self, count: int) -> None:
        self.skips.append(count)


class FakeClient:
    """Stands in for the HTTP client, of which a made-up vendor needs nothing but the deadline."""

    seconds = 0.0
    closed = 0
    """How often its connections were closed."""

    async def aclose(self) -> None:
        self.closed += 1

    def begin(self, seconds: float) -> None:
        self.seconds = seconds

    def mask(self, text: str) -> str:
        return text.replace("made-up-key", "***")


@dataclass
class Clocks:
    """Two clocks that only a test moves."""

    wall: float = 1_794_000_000.0  # 2026-11-06T21:20Z
    clock: float = 10_000.0

    def advance(self, seconds: float) -> None:
        """Lets time pass on both."""
        self.wall += seconds
        self.clock += seconds

    @property
    def timing(self) -> Timing:
        """These clocks with the usual settings."""
        return Timing(wall=lambda: self.wall, clock=lambda: self.clock)


@dataclass
class Polled:
    """A poller of a made-up vendor, and what stands around it."""

    poller: AccountPoller
    vendor: FakeVendor
    observer: FakeObserver
    clocks: Clocks

    def poll(self, after: float = 0.0) -> None:
        """Polls once, `after` seconds later."""
        self.clocks.advance(after)
        asyncio.run(self.poller.poll())


MakePolled = Callable[..., Polled]


@pytest.fixture(scope="session")
def fake_vendor() -> type[FakeVendor]:
    """Makes vendors of template ids."""
    return FakeVendor


@pytest.fixture(scope="session")
def make_polled() -> MakePolled:
    """Makes a poller of a vendor; further arguments replace those of a plain account."""

    def make(vendor: FakeVendor, timing: Timing | None = None, **changes: Any) -> Polled:
        clocks, observer = Clocks(), FakeObserver()
        timing = timing or clocks.timing
        account = replace(ACCOUNT, **changes)
        limiter = Limiter(account.max_requests_per_minute, timing.clock)
        vendor.limiter = limiter
        poller = AccountPoller(
            account,
            Upstream(vendor, cast(Client, FakeClient()), limiter),
            Ledger(timing.close),
            timing,
            observer,
            lambda: float("-inf"),
        )
        return Polled(poller, vendor, observer, clocks)

    return make
