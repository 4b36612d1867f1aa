"""Counters over simulated years: what a Prometheus adds up is what the vendor's ledger says."""

from __future__ import annotations

import logging
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import cast

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.ledger.month import Month, MonthClose, Phase, Window
from sandbox_exporter.ledger.scope import Marks
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.vendors import Endpoint, TemplatePage
from sandbox_exporter.vendors.base import Rounding
from tests.stand_ins import NoClient, NoObserver

CLOSE = MonthClose(settle=3600.0, zero=3600.0)
STEP = 900.0
"""Seconds between two polls; each is followed by a scrape."""
ACCOUNT = ""
SUMMARY = ACCOUNT_SCOPE + "summary"


@dataclass
class FakeTemplate:
    """A template with usage at a few moments, now and then."""

    id: str
    created: float
    deleted: float
    moments: list[float] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0])
    """Usage before each moment, and after the last."""

    def use(self, moment: float, amount: float) -> None:
        """Adds usage, later than all before."""
        self.moments.append(moment)
        self.sums.append(self.sums[-1] + amount)

    def used(self, start: float, end: float) -> float:
        """The usage of the seconds [start, end)."""
        first, last = bisect_left(self.moments, start), bisect_left(self.moments, end)
        return self.sums[last] - self.sums[first]


@dataclass
class FakeVendor:
    """Totals over a few templates, less what was corrected away, as a provider and its source."""

    templates_: list[FakeTemplate]
    corrections: list[tuple[float, str, float]] = field(default_factory=list)
    """When the totals of that month and template were lowered, and by how much."""
    down: bool = False
    now: float = 0.0

    name = "fake"
    rounding = Rounding()

    def __post_init__(self) -> None:
        self.endpoints = (Endpoint("summary", self._summary),)
        self.templates = self

    async def page(self, offset: int) -> TemplatePage:
        self._fail()
        listed = [Template(t.id) for t in self.templates_ if t.created <= self.now < t.deleted]
        return TemplatePage(listed[offset:], len(listed[offset:]))

    async def usage(self, template_id: str, window: Window) -> Readings:
        self._fail()
        return {Field.COST_USD: self.total(template_id, window)}

    async def _summary(self, window: Window) -> Readings:
        self._fail()
        return {Field.COST_USD: self.total(ACCOUNT, window)}

    def total(self, scope: str, window: Window) -> float:
        """What the vendor reports for a window; ACCOUNT is the sum of all templates."""
        used = sum(
            t.used(window.start, window.end) for t in self.templates_ if scope in (ACCOUNT, t.id)
        )
        corrected = sum(
            amount
            for moment, template_id, amount in self.corrections
            if scope in (ACCOUNT, template_id)
            and Month.at(moment) == window.month
            and moment <= self.now
        )
        return max(0.0, used - corrected)

    def _fail(self) -> None:
        if self.down:
            raise UpstreamError(Reason.CONNECT, "down")


@dataclass(frozen=True)
class Sample:
    """What one scrape saw of one counter."""

    month: Month
    """The month that the counter showed."""
    value: float
    as_of: float
    """Up to when the vendor had been asked."""


class World:
    """Runs the exporter against the vendor, poll by poll, and keeps what was scraped."""

    def __init__(self, vendor: FakeVendor, start: float) -> None:
        self.vendor = vendor
        self.wall = start
        self.clock = 0.0
        self.samples: dict[str, list[Sample]] = {}
        self.answered: dict[str, float] = {}
        """Up to when each series was last asked for, or proven unchanged."""
        self.served = float("-inf")
        self.observer = NoObserver()
        self.poller = self._start(None)

    def _start(self, marks: Marks | None) -> AccountPoller:
        ledger = Ledger(CLOSE)
        if marks is not None:
            ledger.restore(marks)
        account = Account("a", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))
        upstream = Upstream(
            self.vendor,
            cast(Client, NoClient()),
            Limiter(120, lambda: self.clock),
        )
        timing = Timing(CLOSE, 300.0, lambda: self.wall, lambda: self.clock)
        return AccountPoller(account, upstream, ledger, timing, self.observer, lambda: self.served)

    def restart(self, *, state: bool) -> None:
        """Ends the exporter and starts another, with or without the state file."""
        ledger = self.poller.ledger
        self.poller = self._start(ledger.marks(self.wall) if state and ledger.known else None)

    def pass_time(self, seconds: float) -> None:
        """Lets time go by for everybody."""
        self.wall += seconds
        self.clock += seconds
        self.vendor.now = self.wall

    async def poll(self) -> None:
        """One poll, well or not."""
        await self.poller.poll()
        if not self.vendor.down and self.poller.window is not None:
            end = float(self.poller.window.end)
            for scope in (ACCOUNT, *(t.id for t in self.vendor.templates_)):
                self.answered[scope] = max(end, self.answered.get(scope, 0.0))

    def scrape(self) -> None:
        """What a Prometheus sees now."""
        snapshot = self.poller.snapshot()
        phase = CLOSE.phase(self.wall)
        seen = {t.template.id: t.usage for t in snapshot.templates}
        for scope, usage in {ACCOUNT: snapshot.usage, **seen}.items():
            value = usage.counters.get(Field.COST_USD)
            if value is None:
                continue
            month = self.poller.ledger.shown_month(self.wall, scope or SUMMARY)
            as_of = min(max(self.answered.get(scope, 0.0), month.start), month.end)
            if value == 0.0 and (phase is Phase.ZERO or self.used(scope, month.start, as_of) > 0):
                # Zeros of a new month, or of a birth: nothing of the month is counted yet.
                as_of = month.start
            self.samples.setdefault(scope, []).append(Sample(month, value, as_of))
        self.served = self.clock

    def used(self, scope: str, start: float, end: float) -> float:
        """The exact usage of the seconds [start, end)."""
        return sum(t.used(start, end) for t in self.vendor.templates_ if scope in (ACCOUNT, t.id))


def fleet(random: Random, start: float, end: float, count: int) -> list[FakeTemplate]:
    """Templates that come and go, some of them busy, some idle for weeks."""
    templates = []
    for index in range(count):
        created = start - 1 if random.random() < 0.6 else random.uniform(start, end)
        deleted = end + 1 if random.random() < 0.7 else random.uniform(created, end)
        template = FakeTemplate(f"tpl-{index}", created, deleted)
        moment = created
        pause = random.choice([1800.0, 14400.0, 400000.0])
        while (moment := moment + random.expovariate(1 / pause)) < min(deleted, end):
            template.use(moment, random.uniform(0.001, 3.0))
        templates.append(template)
    return templates


def increase(before: Sample, after: Sample) -> float:
    """What PromQL adds up for two samples that follow each other."""
    return after.value - before.value if after.value >= before.value else after.value


def witnessed(before: Sample, after: Sample) -> bool:
    """Whether the turn between two samples, if there is one, was polled and scraped.

    That is: the closed month was final when it was last scraped, and its zeros were scraped. An
    exporter or a Prometheus that sleeps through a month's turn loses what it did not see.
    """
    if before.month == after.month:
        return True
    seen = before.as_of == before.month.end and after.value == 0.0
    return seen and after.month == before.month.next()


def check_increases(world: World) -> tuple[int, int]:
    """Compares each step between two scrapes with the ledger; counts those checked, and turns."""
    checked = turns = 0
    for scope, samples in world.samples.items():
        for before, after in pairwise(samples):
            if not witnessed(before, after):
                continue
            exact = world.used(scope, before.as_of, after.as_of)
            assert increase(before, after) == pytest.approx(exact, abs=1e-9), (scope, before, after)
            checked += 1
            turns += before.month != after.month
    return checked, turns


def check_never_falls(world: World) -> None:
    """Within a month no counter falls."""
    for samples in world.samples.values():
        for before, after in pairwise(samples):
            assert before.month != after.month or after.value >= before.value


def check_births(world: World) -> None:
    """A counter that appears while the exporter runs starts at 0."""
    for template in world.vendor.templates_:
        samples = world.samples.get(template.id)
        if samples and template.created > START + STEP:
            assert samples[0].value == 0.0


# Tracing each line of millions would double the time; other tests cover these lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.slow]


@pytest.fixture(autouse=True)
def outages_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of polls fail here, and nobody reads about it."""
    monkeypatch.setattr(logging.getLogger("sandbox_exporter.poll"), "disabled", True)


@pytest.fixture(autouse=True)
def idle_templates_stay_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls are a quarter of an hour apart here, so the longest age is stretched alike."""
    monkeypatch.setattr("sandbox_exporter.poll.templates.MAX_AGE", 30 * STEP)


START = float(Month(2026, 11).start - 4 * 86400)


def run(seed: int, days: float, *, restarts: str, corrections: bool, clock_steps: bool) -> World:
    """Some days with outages, lost scrapes and whatever else is asked for."""
    random = Random(seed)
    end = START + days * 86400
    vendor = FakeVendor(fleet(random, START, end, random.randint(1, 6)))
    world = World(vendor, START)
    uvloop.run(_live(world, random, end, restarts, corrections, clock_steps))
    return world


async def _live(
    world: World, random: Random, end: float, restarts: str, corrections: bool, clock_steps: bool
) -> None:
    vendor = world.vendor
    down_until = up_again = 0.0
    while world.wall < end:
        world.pass_time(STEP)
        if random.random() < 0.004:
            down_until = world.wall + random.choice([2 * STEP, 10 * STEP, 200 * STEP])
        vendor.down = world.wall < down_until
        if restarts and random.random() < 0.01:
            up_again = world.wall + random.choice([0.0, STEP, 30 * STEP])
            world.restart(state=restarts == "state" or random.random() < 0.3)
        if world.wall < up_again:
            continue
        if clock_steps and random.random() < 0.005:
            world.wall += random.choice([-2000.0, 3000.0])
        if corrections and random.random() < 0.01:
            template = random.choice(vendor.templates_)
            vendor.corrections.append((world.wall, template.id, random.uniform(0.0, 5.0)))
        await world.poll()
        if random.random() > 0.05:
            world.scrape()


@pytest.mark.parametrize("restarts", ["", "state", "no state"])
@given(seed=st.integers(0, 2**32))
@example(seed=900788)
@settings(max_examples=8)
def test_increase_is_exact(restarts: str, seed: int) -> None:
    """Through outages, restarts and lost scrapes, increase() is the ledger's usage, to the cent."""
    world = run(seed, 40, restarts=restarts, corrections=False, clock_steps=False)
    checked, _ = check_increases(world)
    assert checked > 1000
    if restarts != "no state":
        check_never_falls(world)
        check_births(world)


@given(seed=st.integers(0, 2**32))
@example(seed=42)
@settings(max_examples=8)
def test_clock_steps_lose_and_double_nothing(seed: int) -> None:
    """A clock that is set forth and back neither counts usage twice nor makes a counter fall."""
    world = run(seed, 40, restarts="", corrections=False, clock_steps=True)
    check_never_falls(world)
    checked, _ = check_increases(world)
    assert checked > 1000
    assert world.observer.corrections == 0


@given(seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_corrections_are_held_not_doubled(seed: int) -> None:
    """However totals are corrected, a counter never falls, and never shows more than was used."""
    world = run(seed, 40, restarts="state", corrections=True, clock_steps=False)
    check_never_falls(world)
    for scope, samples in world.samples.items():
        for sample in samples:
            used = world.used(scope, sample.month.start, sample.as_of)
            assert sample.value <= used + 1e-9


def test_a_year_turns_twelve_months() -> None:
    """In a year with restarts and outages, nearly every turn of a month is seen, and exact."""
    world = run(11, 370, restarts="state", corrections=False, clock_steps=False)
    checked, turns = check_increases(world)
    check_never_falls(world)
    assert checked > 30_000
    assert turns >= 10
