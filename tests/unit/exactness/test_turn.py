"""Turns of a month that go wrong: increase() over them is what the vendor's ledger says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest

from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Month, MonthClose, Window
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.poll.schedule import Schedule, watch_clock
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.vendors import Endpoint, TemplatePage
from sandbox_exporter.vendors.base import Rounding
from tests.stand_ins import NoClient, NoObserver

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop

pytestmark = pytest.mark.slow

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
TURN = float(NOVEMBER.start)
ACCOUNT = ""
HOUR = 3600.0
RATES = {"busy": 0.000_02, "slow": 0.000_000_7, "late": 0.000_01}
"""USD a second of each template; `late` exists only since two hours before the turn."""
DEFAULT, SHORTEST = MonthClose(), MonthClose(settle=1.0, zero=1.0)


class Vendor:
    """Exact totals at constant rates, and whatever is wrong with them around the turn."""

    name = "seacloud"
    rounding = Rounding()

    def __init__(self) -> None:
        self.now = 0.0
        self.resets_at = TURN
        """From then on totals of the running month are the new month's."""
        self.down: Callable[[str], bool] = lambda _: False
        """Whether a scope cannot be read now."""
        self.endpoints = (Endpoint("summary", self._summary),)
        self.templates = self

    def used(self, scope: str, start: float, end: float) -> float:
        """The exact usage of the seconds [start, end)."""
        return sum(
            rate * max(0.0, end - max(start, TURN - 2 * HOUR if id_ == "late" else start))
            for id_, rate in RATES.items()
            if scope in (ACCOUNT, id_)
        )

    def total(self, scope: str, window: Window) -> float:
        """What the vendor says of a window."""
        end = min(float(window.end), self.now)
        if window.month == NOVEMBER and self.now < self.resets_at:
            return self.used(scope, OCTOBER.start, end)
        if window.month == OCTOBER and self.resets_at <= self.now < TURN:
            return self.used(scope, self.resets_at, end)
        return self.used(scope, window.start, end)

    async def page(self, offset: int) -> TemplatePage:
        listed = [Template(id_) for id_ in RATES][offset:]
        return TemplatePage(listed, len(listed))

    async def usage(self, template_id: str, window: Window) -> Readings:
        return self._answer(template_id, window)

    async def _summary(self, window: Window) -> Readings:
        return self._answer(ACCOUNT, window)

    def _answer(self, scope: str, window: Window) -> Readings:
        if self.down(scope):
            raise UpstreamError(Reason.SERVER, "down")
        return {Field.COST_USD: self.total(scope, window), Field.RUNNING_SANDBOXES: 1.0}


@dataclass
class Exporter:
    """An account on its schedule, published and scraped every 15 seconds."""

    loop: VirtualLoop
    vendor: Vendor
    close: MonthClose = DEFAULT
    before: float = HOUR
    """Seconds before the turn at which it starts."""
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """When and what each scrape saw of each counter that was there."""
    errors: dict[float, str] = field(default_factory=dict)
    snapshot: AccountSnapshot | None = None
    served: float = float("-inf")

    def wall(self) -> float:
        """Unix seconds."""
        self.vendor.now = TURN - self.before + self.loop.time()
        return self.vendor.now

    @contextlib.asynccontextmanager
    async def running(self, ledger: Ledger) -> AsyncIterator[None]:
        """The exporter, until it is stopped."""
        timing = Timing(self.close, 300.0, self.wall, self.loop.time)
        poller = AccountPoller(
            Account("a", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE")),
            Upstream(self.vendor, cast(Client, NoClient()), Limiter(600, self.loop.time)),
            ledger,
            timing,
            NoObserver(),
            lambda: self.served,
        )
        schedule = Schedule(poller, self._publish, timing, 0.0)
        tasks = [
            asyncio.create_task(work) for work in (schedule.run(), watch_clock(lambda: [schedule]))
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _publish(self, snapshot: AccountSnapshot) -> None:
        self.snapshot = snapshot

    async def scrape_until(self, end: float) -> None:
        """Scrapes until so many seconds after the turn."""
        while self.wall() < TURN + end:
            await asyncio.sleep(15.0)
            if self.snapshot is None:
                continue
            self.errors[self.wall() - TURN] = self.snapshot.error
            self.served = self.loop.time()
            scopes = {t.template.id: t.usage for t in self.snapshot.templates}
            for scope, usage in {ACCOUNT: self.snapshot.usage, **scopes}.items():
                if Field.COST_USD in usage.counters:
                    sample = (self.wall() - TURN, usage.counters[Field.COST_USD])
                    self.series.setdefault(scope, []).append(sample)

    def seen(self, scope: str, start: float, end: float) -> list[float]:
        """The values that were scraped between two moments, in seconds after the turn."""
        return [value for moment, value in self.series[scope] if start <= moment <= end]

    def check(self, end: float) -> None:
        """Every counter's increase() from the first scrape to the last is the exact usage."""
        for scope in (ACCOUNT, *RATES):
            samples = self.series[scope]
            added = sum(b - a if b >= a else b for (_, a), (_, b) in pairwise(samples))
            # Each total is that of a poll's window: the first scrape's, and the last one's.
            first = samples[0][1]
            since = self.vendor.used(scope, OCTOBER.start, TURN) - first
            last = samples[-1][1]
            assert added == pytest.approx(since + last, rel=1e-9), scope
            asked_until = self.vendor.used(scope, TURN, TURN + end)
            assert last == pytest.approx(asked_until, abs=120 * sum(RATES.values())), scope


@pytest.fixture
def long_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours go by: looks at the clock are 3 s apart instead of 1, and scrapes 15 s as ever."""
    monkeypatch.setattr("sandbox_exporter.poll.schedule._TICK", 3.0)


def persistent() -> Ledger:
    """The ledger of an exporter with a state file."""
    ledger = Ledger(DEFAULT)
    ledger.persistent = True
    return ledger


def restarted(ledger: Ledger, now: float) -> Ledger:
    """What the next process makes of the state file."""
    after = persistent()
    after.restore(ledger.marks(now))
    return after


@pytest.mark.parametrize("close", [DEFAULT, SHORTEST])
@pytest.mark.parametrize("minutes", [6, 60, 480])
def test_a_late_reset_counts_as_zero_until_it_comes(
    in_virtual_time: InVirtualTime, close: MonthClose, minutes: int
) -> None:
    """The counters stay at 0, the endpoint says why, and not a cent is counted twice."""
    end = minutes * 60.0 + 1800.0

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor(), close)
        exporter.vendor.resets_at = TURN + minutes * 60.0
        async with exporter.running(Ledger(close)):
            await exporter.scrape_until(end)
        for scope in (ACCOUNT, *RATES):
            zeros = exporter.seen(scope, 450.0, minutes * 60.0)
            assert set(zeros) <= {0.0}
            assert minutes < 10 or len(zeros) > minutes
        if close is DEFAULT:
            exporter.check(end)
        for moment in (minutes * 60 - 30.0, 450.0 if minutes > 10 else 330.0):
            assert "has not reset it yet" in exporter.errors[moment]
            assert exporter.errors[moment].startswith("summary: schema: cost_usd: ")
        assert exporter.errors[minutes * 60 + 120.0] == ""

    in_virtual_time(test)


@pytest.mark.parametrize("state", [True, False])
def test_a_restart_while_the_vendor_has_not_reset_changes_nothing(
    in_virtual_time: InVirtualTime, state: bool
) -> None:
    """With a state file or without, the next process tells the late reset too."""

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor())
        exporter.vendor.resets_at = TURN + HOUR
        ledger = persistent() if state else Ledger(DEFAULT)
        for stop in (1200.0, 2400.0, HOUR + 1800.0):
            async with exporter.running(ledger):
                await exporter.scrape_until(stop)
            ledger = restarted(ledger, exporter.wall()) if state else Ledger(DEFAULT)
        assert set(exporter.seen(ACCOUNT, 330.0, HOUR)) == {0.0}
        exporter.check(HOUR + 1800.0)

    in_virtual_time(test)


def test_an_early_reset_damages_neither_month(in_virtual_time: InVirtualTime) -> None:
    """Small totals before midnight are held; the closed month's exact answer counts."""

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor())
        exporter.vendor.resets_at = TURN - 600.0
        async with exporter.running(Ledger(DEFAULT)):
            await exporter.scrape_until(HOUR)
        exporter.check(HOUR)

    in_virtual_time(test)


OUTAGES = [(-0.5, 0.5), (-0.5, 5.5), (-3.0, 3.0), (-0.01, 1.0), (-1.0, 0.06), (-1.0, 0.075)]


@pytest.mark.usefixtures("long_ticks")
@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("restart", ["no", "during", "after"])
def test_an_outage_over_the_turn_loses_nothing_with_a_state_file(
    in_virtual_time: InVirtualTime, outage: tuple[float, float], restart: str
) -> None:
    """The closed month's final total is shown as soon as the vendor answers, then the zeros."""
    begins, ends = (hours * HOUR for hours in outage)

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor(), before=4 * HOUR)
        vendor = exporter.vendor
        vendor.down = lambda _: TURN + begins <= vendor.now < TURN + ends
        ledger = persistent()
        if restart != "no":
            async with exporter.running(ledger):
                await exporter.scrape_until(ends - 60.0 if restart == "during" else ends + 200.0)
            ledger = restarted(ledger, exporter.wall())
        async with exporter.running(ledger):
            await exporter.scrape_until(ends + HOUR)
        exporter.check(ends + HOUR)
        final = vendor.used(ACCOUNT, OCTOBER.start, TURN)
        shown = [v for v in exporter.seen(ACCOUNT, 0.0, HOUR + ends) if v == pytest.approx(final)]
        assert len(shown) >= DEFAULT.settle / 15 / 2
        assert exporter.seen(ACCOUNT, 0.0, HOUR + ends).count(0.0) >= DEFAULT.zero / 15 - 1

    in_virtual_time(test)


@pytest.mark.usefixtures("long_ticks")
@pytest.mark.parametrize("restart", [False, True])
def test_a_template_that_comes_back_later_turns_later(
    in_virtual_time: InVirtualTime, restart: bool
) -> None:
    """Its account goes on meanwhile; the template's own increase is exact all the same."""

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor())
        vendor = exporter.vendor

        def down(scope: str) -> bool:
            return TURN - 600 <= vendor.now < TURN + (2 * HOUR if scope == "slow" else HOUR)

        vendor.down = down
        ledger = persistent()
        async with exporter.running(ledger):
            await exporter.scrape_until(1.5 * HOUR)
        if restart:
            ledger = restarted(ledger, exporter.wall())
        async with exporter.running(ledger):
            await exporter.scrape_until(3 * HOUR)
        exporter.check(3 * HOUR)
        assert exporter.seen(ACCOUNT, 1.5 * HOUR, 1.6 * HOUR)[-1] > 0

    in_virtual_time(test)


@pytest.mark.usefixtures("long_ticks")
def test_a_closed_month_is_waited_for_no_longer_than_a_day(in_virtual_time: InVirtualTime) -> None:
    """Then the new month is shown from 0 on, though the end of the old one is lost."""

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor())
        vendor = exporter.vendor
        vendor.down = lambda _: TURN - 600 <= vendor.now < TURN + 25 * HOUR
        async with exporter.running(persistent()):
            await exporter.scrape_until(26 * HOUR)
        after = exporter.seen(ACCOUNT, 25 * HOUR, 26 * HOUR)
        assert after[0] == 0.0
        assert after[-1] == pytest.approx(vendor.used(ACCOUNT, TURN, vendor.now), rel=0.01)

    in_virtual_time(test)


def test_without_a_state_file_the_clock_alone_decides(in_virtual_time: InVirtualTime) -> None:
    """Replicas agree: one that ran through the outage shows the new month like any other."""

    async def test(loop: VirtualLoop) -> None:
        exporter = Exporter(loop, Vendor())
        vendor = exporter.vendor
        vendor.down = lambda _: TURN - 600 <= vendor.now < TURN + HOUR
        async with exporter.running(Ledger(DEFAULT)):
            await exporter.scrape_until(1.5 * HOUR)
        after = exporter.seen(ACCOUNT, HOUR, 1.5 * HOUR)
        assert max(after) <= vendor.used(ACCOUNT, TURN, vendor.now)

    in_virtual_time(test)
