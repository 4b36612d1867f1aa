from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Month, MonthClose, Window
from sandbox_exporter.model import GIB, Field, Template
from sandbox_exporter.poll.budget import Pace
from sandbox_exporter.poll.sweep import CONCURRENCY, Sweep, SweepResult
from sandbox_exporter.poll.templates import MAX_AGE, TemplateBook
from sandbox_exporter.supervisor import FaultLog

if TYPE_CHECKING:
    from tests.unit.poll.conftest import FakeVendor

MONTH = Month(2026, 11)
INTERVAL = 60.0
NOT_FOUND = UpstreamError(Reason.NOT_FOUND, "gone", status=404)
DOWN = UpstreamError(Reason.SERVER, "down", status=500)


class Sweeps:
    """Sweeps over a made-up vendor's templates, a minute apart."""

    def __init__(self, vendor: FakeVendor, *, discovered: bool = True) -> None:
        self.vendor = vendor
        self.clock = 10_000.0
        self.month = MONTH
        self.elapsed = 3600
        self.book = TemplateBook(1000)
        self.ledger = Ledger(MonthClose())
        self.sweep = Sweep(
            vendor,
            self.book,
            self.ledger,
            discovered=discovered,
            faults=FaultLog(),
            clock=lambda: self.clock,
        )

    def run(self, budget: int = 10_000) -> SweepResult:
        """One poll's sweep, which may make `budget` calls."""
        self.clock += INTERVAL
        self.elapsed += int(INTERVAL)
        self.book.update(self.vendor.listing, self.clock)
        window = Window(self.month, self.month.start, self.month.start + self.elapsed)
        compulsory = self.book.compulsory(
            window, self.clock, INTERVAL, Pace(max(1, budget), INTERVAL)
        )
        before = len(self.vendor.calls)

        async def may_ask() -> bool:
            return len(self.vendor.calls) - before < budget

        return asyncio.run(self.sweep.run(self.vendor.account, window, compulsory, may_ask))

    def known(self, id_: str) -> float:
        """The usage of a template as far as it was asked."""
        return self.ledger.latest(id_, self.month).get(Field.COST_USD, 0.0)

    def oldest(self) -> float:
        """Seconds since the answer of the template that was not asked for longest."""
        return max(self.clock - (entry.asked_at or 0.0) for entry in self.book)


def ids(count: int) -> list[str]:
    """Names of templates."""
    return [f"t{number:03d}" for number in range(count)]


def test_the_first_sweep_asks_each_template_once(fake_vendor: type[FakeVendor]) -> None:
    """Whatever there is at the start is asked, and asked once."""
    sweeps = Sweeps(fake_vendor(*ids(40)))
    result = sweeps.run()
    assert sorted(sweeps.vendor.asked()) == ids(40)
    assert (result.answered, result.skipped, result.errors) == (40, 0, [])


def test_idle_templates_are_skipped(fake_vendor: type[FakeVendor]) -> None:
    """While the account's totals stand still, no template is asked."""
    sweeps = Sweeps(fake_vendor(*ids(40)))
    sweeps.run()
    sweeps.vendor.asked()
    result = sweeps.run()
    assert sweeps.vendor.asked() == []
    assert result.skipped == 40


def test_active_templates_are_asked_each_poll(fake_vendor: type[FakeVendor]) -> None:
    """A template that runs sandboxes is asked even when the account's totals stand still."""
    vendor = fake_vendor(*ids(40))
    vendor.use("t007", 1.0, running_sandboxes=2)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    for _ in range(3):
        vendor.use("t007", 1.0)
        result = sweeps.run()
        assert vendor.asked() == ["t007"]
        assert result.skipped == 39
    assert sweeps.known("t007") == 4.0


def test_a_difference_is_found_at_the_likeliest_template_first(
    fake_vendor: type[FakeVendor],
) -> None:
    """Of idle templates the one that was active last is asked before the others."""
    vendor = fake_vendor(*ids(200))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.use("t150", 1.0)
    sweeps.run()
    sweeps.run()
    vendor.asked()
    vendor.use("t150", 1.0)
    sweeps.run()
    asked = vendor.asked()
    assert asked[0] == "t150"
    assert len(asked) <= CONCURRENCY
    assert sweeps.known("t150") == 2.0


def test_a_newly_spawned_template_is_asked_at_once(fake_vendor: type[FakeVendor]) -> None:
    """The listing's spawn count tells of activity before the totals do."""
    vendor = fake_vendor(*ids(50))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    vendor.listing[33] = Template("t033", spawn_count=1)
    sweeps.run()
    assert vendor.asked() == ["t033"]


def test_running_sandboxes_and_storage_are_explained_too(fake_vendor: type[FakeVendor]) -> None:
    """Levels can change with no usage at all, and are looked for all the same."""
    vendor = fake_vendor(*ids(100))
    for id_ in ids(100):
        vendor.use(id_, 0.0, running_sandboxes=0, paused_storage_bytes=GIB)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.use("t099", 0.0, paused_storage_bytes=0)
    vendor.use("t098", 0.0, running_sandboxes=1)
    sweeps.run()
    assert sweeps.ledger.latest("t099", MONTH)[Field.PAUSED_STORAGE_BYTES] == 0.0
    assert sweeps.ledger.latest("t098", MONTH)[Field.RUNNING_SANDBOXES] == 1.0


def test_a_sweep_keeps_to_its_budget_and_goes_on_with_the_next_poll(
    fake_vendor: type[FakeVendor],
) -> None:
    """What a poll may not ask is asked by the next ones, each template once."""
    sweeps = Sweeps(fake_vendor(*ids(100)))
    asked: list[str] = []
    for _ in range(4):
        sweeps.run(budget=30)
        now = sweeps.vendor.asked()
        assert len(now) <= 30
        asked += now
    assert sorted(asked) == ids(100)


def test_a_search_goes_on_where_the_last_poll_stopped(fake_vendor: type[FakeVendor]) -> None:
    """Templates that were cleared of a difference are not asked again for it."""
    vendor = fake_vendor(*ids(100))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    vendor.use("t099", 5.0)
    asked = iter_asked(sweeps, 4, budget=30)
    assert len(asked) == len(set(asked))
    assert sweeps.known("t099") == 5.0


def iter_asked(sweeps: Sweeps, polls: int, budget: int) -> list[str]:
    """What several polls asked."""
    for _ in range(polls):
        sweeps.run(budget)
    return sweeps.vendor.asked()


def test_more_active_templates_than_the_budget_are_asked_in_turn(
    fake_vendor: type[FakeVendor],
) -> None:
    """No active template starves, and none that was never asked waits for the active ones."""
    vendor = fake_vendor(*ids(60))
    for id_ in ids(40):
        vendor.use(id_, 1.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    asked = iter_asked(sweeps, 6, budget=10)
    assert sorted(asked) == ids(60)
    for _ in range(4):
        for id_ in ids(40):
            vendor.use(id_, 1.0)
        sweeps.run(budget=10)
    assert sorted(vendor.asked()) == ids(40)


def test_a_deleted_template_keeps_its_usage_and_loses_its_levels(
    fake_vendor: type[FakeVendor],
) -> None:
    """A 404 for a discovered template says that it is gone: no failure, and not asked again."""
    vendor = fake_vendor("a", "b")
    vendor.use("a", 3.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.failures["a"] = NOT_FOUND
    vendor.usages["a"][Field.RUNNING_SANDBOXES] = 0.0
    vendor.listing = [Template("b")]
    assert sweeps.run().errors == []
    assert [entry.template.id for entry in sweeps.book] == ["b"]
    assert sweeps.ledger.latest("a", MONTH) == {Field.COST_USD: 3.0}
    vendor.asked()
    assert sweeps.run().skipped == 1
    assert vendor.asked() == []


def test_a_configured_template_that_does_not_exist_is_a_failure(
    fake_vendor: type[FakeVendor],
) -> None:
    """A 404 for a template that the user named is told, poll after poll."""
    vendor = fake_vendor("a", "typo")
    vendor.failures["typo"] = NOT_FOUND
    sweeps = Sweeps(vendor, discovered=False)
    for _ in range(2):
        result = sweeps.run()
        assert result.errors == [NOT_FOUND]
    assert sweeps.known("a") == 0.0


@pytest.mark.parametrize(("templates", "most"), [(2, 2), (10, 4), (40, 10), (300, CONCURRENCY)])
def test_few_templates_are_asked_over_few_connections(
    templates: int, most: int, fake_vendor: type[FakeVendor]
) -> None:
    """A connection for each call would cost more than the call."""
    vendor = fake_vendor(*ids(templates))
    called, under_way, highest = vendor._called, 0, 0

    async def counted(name: str, window: Window | None) -> None:
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        await asyncio.sleep(0)
        await called(name, window)
        under_way -= 1

    vendor._called = counted  # type: ignore[method-assign]
    assert Sweeps(vendor).run().answered == templates
    assert highest == most


def test_a_rejected_key_ends_the_sweep(fake_vendor: type[FakeVendor]) -> None:
    """Where one template is refused for the key, the others would be too."""
    vendor = fake_vendor(*ids(100))
    vendor.failures |= dict.fromkeys(ids(100), UpstreamError(Reason.AUTH, "bad key", status=401))
    result = Sweeps(vendor).run()
    assert len(vendor.asked()) <= CONCURRENCY
    assert {error.reason for error in result.errors} == {Reason.AUTH}
    assert result.answered == 0


def test_an_outage_ends_the_sweep(fake_vendor: type[FakeVendor]) -> None:
    """After a few failures in a row the rest waits for the next poll."""
    vendor = fake_vendor(*ids(100))
    vendor.failures |= dict.fromkeys(ids(100), DOWN)
    sweeps = Sweeps(vendor)
    sweeps.run()
    assert len(vendor.asked()) < 2 * CONCURRENCY
    vendor.failures.clear()
    sweeps.run()
    assert sorted(vendor.asked()) == ids(100)


def test_one_bad_template_does_not_stop_the_others(fake_vendor: type[FakeVendor]) -> None:
    """A template whose answer cannot be read fails alone, and is the only one asked again."""
    vendor = fake_vendor(*ids(50))
    vendor.failures["t020"] = AnswerError("vcpu_hours: expected a number, got text")
    sweeps = Sweeps(vendor)
    result = sweeps.run()
    assert (result.answered, len(result.errors)) == (49, 1)
    vendor.asked()
    sweeps.run()
    assert vendor.asked() == ["t020"]


def test_usage_of_no_template_is_settled_after_one_full_sweep(
    fake_vendor: type[FakeVendor],
) -> None:
    """What none of the templates explains is looked for once, and then left alone."""
    vendor = fake_vendor(*ids(30))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    vendor.unlisted[Field.COST_USD] = 7.0
    sweeps.run()
    assert sorted(vendor.asked()) == ids(30)
    assert sweeps.run().skipped == 30
    assert vendor.asked() == []


def test_a_new_month_is_swept_again(fake_vendor: type[FakeVendor]) -> None:
    """Last month's usage explains nothing of this one's; what was unlisted does not either."""
    vendor = fake_vendor(*ids(30))
    vendor.unlisted[Field.COST_USD] = 7.0
    for id_ in ids(30):
        vendor.use(id_, 1.0)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    sweeps.month, sweeps.elapsed = MONTH.next(), 0
    vendor.unlisted.clear()
    for id_ in ids(30):
        vendor.usages[id_] = {Field.COST_USD: 0.0}
    vendor.use("t004", 2.0)
    sweeps.run()
    assert "t004" in vendor.asked()
    assert sweeps.known("t004") == 2.0
    assert sweeps.run().skipped >= 29


def test_the_closed_month_is_asked_of_every_template(fake_vendor: type[FakeVendor]) -> None:
    """In a month's last window each template is asked once more, idle or not."""
    vendor = fake_vendor(*ids(30))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    window = Window(MONTH, MONTH.start, MONTH.end)
    compulsory = sweeps.book.compulsory(window, sweeps.clock, INTERVAL, Pace(100, INTERVAL))

    async def may_ask() -> bool:
        return True

    asyncio.run(sweeps.sweep.run(vendor.account, window, compulsory, may_ask))
    assert sorted(vendor.asked()) == ids(30)
    assert sweeps.book.compulsory(window, sweeps.clock, INTERVAL, Pace(100, INTERVAL)) == []


def test_corrections_are_counted(fake_vendor: type[FakeVendor]) -> None:
    """A template's total that fell within the month is told."""
    vendor = fake_vendor("a", "b")
    vendor.use("a", 5.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    assert sweeps.run().corrections == 0
    vendor.use("a", -2.0)
    assert sweeps.run().corrections == 1


def test_an_account_without_templates_is_settled(fake_vendor: type[FakeVendor]) -> None:
    """No template means nothing to ask, however much the account uses."""
    vendor = fake_vendor()
    vendor.unlisted[Field.COST_USD] = 7.0
    sweeps = Sweeps(vendor)
    assert sweeps.run().errors == []
    assert vendor.asked() == []


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_rounding_causes_no_needless_sweeps(
    fake_vendor: type[FakeVendor], seed: int, active: int
) -> None:
    """Where values are rounded to 4 decimals, idle templates are left alone for all that."""
    random = Random(seed)
    vendor = fake_vendor(*ids(100), decimals=4)
    for id_ in ids(100):
        vendor.use(id_, random.random() * 10, running_sandboxes=0)
    busy = ids(active)
    for id_ in busy:
        vendor.use(id_, 0.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    for _ in range(12):
        for id_ in busy:
            vendor.use(id_, random.random() * 0.01)
        sweeps.run()
    assert set(vendor.asked()) == set(busy)


polls = st.lists(
    st.tuples(st.lists(st.integers(0, 69), max_size=40), st.booleans()), min_size=20, max_size=40
)


@settings(max_examples=12)
@given(polls, st.integers(7, 20))
def test_no_template_is_left_unasked_for_over_fifteen_minutes(
    fake_vendor: type[FakeVendor], schedule: list[tuple[list[int], bool]], budget: int
) -> None:
    """Whoever uses whatever: a limit that allows it is divided so that no answer is too old."""
    vendor = fake_vendor(*ids(60))
    sweeps = Sweeps(vendor)
    for _ in range(60 // budget + 1):
        sweeps.run(budget)
    for users, newcomer in schedule:
        if newcomer and len(vendor.listing) < 70:
            id_ = f"t{len(vendor.listing):03d}"
            vendor.use(id_, 0.0)
            vendor.listing.append(Template(id_))
        for user in users:
            vendor.use(vendor.listing[user % len(vendor.listing)].id, 1.0, running_sandboxes=1)
        vendor.asked()
        sweeps.run(budget)
        assert len(vendor.asked()) <= budget
        assert sweeps.oldest() <= MAX_AGE


@settings(max_examples=12)
@given(polls, st.integers(7, 20))
def test_no_usage_is_lost_or_counted_twice(
    fake_vendor: type[FakeVendor], schedule: list[tuple[list[int], bool]], budget: int
) -> None:
    """Within 15 minutes of the last usage each template has its own, whatever the budget was."""
    vendor = fake_vendor(*ids(60))
    sweeps = Sweeps(vendor)
    for users, _ in schedule:
        for user in users:
            vendor.use(f"t{user % 60:03d}", 1.0, running_sandboxes=user % 2)
        sweeps.run(budget)
        assert sum(map(sweeps.known, ids(60))) <= vendor.account.get(Field.COST_USD, 0.0)
    for _ in range(16):
        sweeps.run(budget)
    for id_ in ids(60):
        assert sweeps.known(id_) == vendor.usages[id_][Field.COST_USD]


def test_templates_that_exceed_their_account_are_told(fake_vendor: type[FakeVendor]) -> None:
    """A vendor that ignores the filter answers each template with the account's totals."""
    vendor = fake_vendor("a", "b", "c")
    for id_ in ("a", "b", "c"):
        vendor.use(id_, 5.0)
    vendor.unlisted = {Field.COST_USD: -10.0}
    (error,) = Sweeps(vendor).run().errors
    assert (error.reason, error.message) == (
        Reason.SCHEMA,
        "templates add up to more than their account: is template_id ignored?",
    )


def test_one_forbidden_template_leaves_a_busy_fleet_alone(fake_vendor: type[FakeVendor]) -> None:
    """A refusal of one template says nothing of the others: all of them are asked."""
    vendor = fake_vendor(*ids(100))
    for id_ in ids(100):
        vendor.use(id_, 1.0, running_sandboxes=1)
    vendor.failures["t000"] = UpstreamError(Reason.FORBIDDEN, "no", status=403)
    sweeps = Sweeps(vendor)
    for _ in range(3):
        vendor.asked()
        assert sweeps.run().answered == 99
        assert set(vendor.asked()) >= set(ids(100)[1:])


def test_templates_that_fail_for_good_do_not_end_the_sweeps(fake_vendor: type[FakeVendor]) -> None:
    """Once known they are asked last, and are no sign of an outage."""
    vendor = fake_vendor(*ids(100))
    for id_ in ids(100):
        vendor.use(id_, 1.0, running_sandboxes=1)
    vendor.failures |= dict.fromkeys(ids(20), DOWN)
    sweeps = Sweeps(vendor)
    iter_asked(sweeps, 6, budget=120)
    for id_ in ids(100):
        vendor.use(id_, 1.0)
    result = sweeps.run(120)
    assert (result.answered, result.ended) == (80, None)
    assert {entry.template.id for entry in sweeps.book if not entry.current} == set(ids(20))


@pytest.mark.parametrize("count", [4, 40])
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_route_that_is_gone_is_no_death_of_templates(
    fake_vendor: type[FakeVendor], status: int, count: int
) -> None:
    """Those that the list still shows stay, and are all asked as soon as the route is back."""
    vendor = fake_vendor(*ids(count))
    for id_ in ids(count):
        vendor.use(id_, 1.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.failures |= dict.fromkeys(
        ids(count), UpstreamError(Reason.NOT_FOUND, "no route", status=status)
    )
    for _ in range(3):
        for id_ in ids(count):
            vendor.use(id_, 1.0)
        result = sweeps.run()
        assert result.ended is not None
        assert len(sweeps.book) == count
        assert not any(entry.current for entry in sweeps.book)
    vendor.failures.clear()
    assert sweeps.run().answered == count


def test_a_listed_template_that_is_not_found_waits_for_the_next_list(
    fake_vendor: type[FakeVendor],
) -> None:
    """Deleted a moment ago it is no failure; still listed later it is."""
    vendor = fake_vendor("a", "b", "c")
    for id_ in "abc":
        vendor.use(id_, 1.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.failures["a"] = NOT_FOUND
    assert sweeps.run().errors == []
    assert sweeps.book.failure() is None
    assert sweeps.run().errors == [NOT_FOUND]
    assert str(sweeps.book.failure()) == "template a: gone"
    vendor.listing = vendor.listing[1:]
    sweeps.run()
    sweeps.run()
    assert [entry.template.id for entry in sweeps.book] == ["b", "c"]


def test_a_busy_template_that_fails_does_not_have_all_others_asked_each_poll(
    fake_vendor: type[FakeVendor],
) -> None:
    """Its usage is looked for among the others once, and then ever more rarely."""
    vendor = fake_vendor(*ids(100))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.failures["t050"] = DOWN
    vendor.asked()
    for _ in range(30):
        vendor.use("t050", 1.0)
        sweeps.run()
    assert 100 <= len(vendor.asked()) <= 700
    assert sweeps.oldest() <= 30 * INTERVAL


def test_what_a_failing_template_used_hides_no_other_for_long(
    fake_vendor: type[FakeVendor],
) -> None:
    """Another one that comes to use something is found with the next search."""
    vendor = fake_vendor(*ids(100))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.failures["t050"] = DOWN
    vendor.use("t050", 9.0)
    sweeps.run()
    vendor.use("t070", 2.0)
    sweeps.run()
    sweeps.run()
    assert sweeps.known("t070") == 2.0
    for _ in range(20):
        vendor.use("t050", 1.0)
        vendor.use("t080", 1.0)
        sweeps.run()
    assert sweeps.known("t080") == 20.0


def test_a_small_difference_among_many_idle_templates_is_found_at_once(
    fake_vendor: type[FakeVendor],
) -> None:
    """What rounding may explain depends on those that changed, not on those that were asked."""
    vendor = fake_vendor(*ids(400))
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.use("t399", 0.30)
    sweeps.run()
    assert sweeps.known("t399") == 0.30


def test_an_exact_account_of_rounded_templates_needs_no_needless_sweeps(
    fake_vendor: type[FakeVendor],
) -> None:
    """How the account rounds says nothing of how templates do."""
    random = Random(7)
    vendor = fake_vendor(*ids(200), decimals=4)
    vendor.account_decimals = None
    for id_ in ids(200):
        vendor.use(id_, random.random() * 10, running_sandboxes=0)
    for id_ in ids(10):
        vendor.use(id_, 0.0, running_sandboxes=1)
    sweeps = Sweeps(vendor)
    sweeps.run()
    vendor.asked()
    for _ in range(12):
        for id_ in ids(10):
            vendor.use(id_, random.random() * 0.01)
        sweeps.run()
    assert set(vendor.asked()) == set(ids(10))
