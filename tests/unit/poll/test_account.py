from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import LONGEST_CLOSE, Month, MonthClose
from sandbox_exporter.model import Field, Template
from sandbox_exporter.poll.context import Timing
from tests.unit.poll.published import costs

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop
    from tests.unit.poll.conftest import FakeVendor, MakePolled

COST = Field.COST_USD


def test_all_calls_of_a_poll_ask_for_one_window(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """An account and its templates are comparable, however long the poll takes."""
    polled = make_polled(fake_vendor("a", "b"))
    polled.poll()
    windows = {window for name, window in polled.vendor.calls if name != "templates"}
    assert windows == {polled.poller.window}
    assert polled.poller.window is not None
    assert polled.poller.window.end == int(polled.clocks.wall)


def test_a_fault_of_the_exporter_shows_in_the_health(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """The account counts as tried and as failed."""
    polled = make_polled(fake_vendor())
    polled.poller.fail("internal error, see the log")
    snapshot = polled.poller.snapshot()
    assert (snapshot.tried, snapshot.up) == (True, False)
    assert snapshot.error == "summary: schema: internal error, see the log"


def test_the_turn_of_the_month_goes_by_the_clock(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """First the closed month's final total, then 0, then the new month, with the idle let go."""
    vendor = fake_vendor("a", "gone")
    vendor.use("a", 5.0)
    vendor.use("gone", 1.0)
    polled = make_polled(vendor)
    end = Month(2026, 11).end
    polled.poll(after=end - 60 - polled.clocks.wall)
    vendor.listing = [Template("a")]
    vendor.use("a", 2.0)
    polled.poll(after=61)
    window = polled.poller.window
    assert window is not None
    assert (str(window.month), window.end) == ("2026-11", end)
    closed = polled.poller.snapshot()
    assert (closed.created, costs(closed)["a"]) == (Month(2026, 11).start, 7.0)

    vendor.usages = {"a": {COST: 0.5}, "gone": {COST: 0.0}}
    polled.poll(after=300)
    zero = polled.poller.snapshot()
    assert (zero.created, zero.usage.counters[COST], costs(zero)["a"]) == (end, 0.0, 0.0)

    polled.poll(after=120)
    live = polled.poller.snapshot()
    assert (live.usage.counters[COST], costs(live)["a"]) == (0.5, 0.5)


def test_a_poll_ends_before_the_next_is_due(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A slow vendor's templates are left to the next poll, and what is known is published."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor(*(f"t{n:03d}" for n in range(100)))
        vendor.call_seconds = 10.0
        timing = Timing(MonthClose(), 300.0, lambda: 1_794_000_000.0 + loop.time(), loop.time)
        polled = make_polled(vendor, timing)
        await polled.poller.poll()
        assert loop.time() < 60.0
        assert 16 <= len(costs(polled.poller.snapshot())) < 100

    in_virtual_time(test)


def test_a_months_turn_drops_templates_that_are_gone(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """What left the list a month ago stays in memory no longer than its totals can be shown."""
    vendor = fake_vendor("gone", "stays")
    polled = make_polled(vendor)
    polled.poll()
    vendor.listing = [t for t in vendor.listing if t.id == "stays"]
    for _ in range(40):
        polled.poll(after=120.0)
    month = Month.at(polled.clocks.wall)
    assert "gone" in polled.poller.ledger.templates()
    polled.poll(after=month.end + 3600 - polled.clocks.wall)
    assert "gone" in polled.poller.ledger.templates()  # it had usage in the month that closed
    polled.poll(after=60.0)
    assert "gone" in polled.poller.ledger.templates()  # for as long as that may be shown
    polled.poll(after=month.next().end + 3600 - polled.clocks.wall)
    assert polled.poller.ledger.templates() == ["stays"]


def test_a_months_turn_keeps_a_listed_template_that_did_not_answer(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """However long it fails, a lifetime counter is not below what it showed before."""
    vendor = fake_vendor("a", "b")
    vendor.use("b", 5.0, sessions=7.0)
    polled = make_polled(vendor)
    polled.poll()
    month = Month.at(polled.clocks.wall)
    vendor.failures["b"] = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
    for turn in (month.end, month.next().end, month.next().next().end):
        polled.poll(after=turn + LONGEST_CLOSE + 3600 - polled.clocks.wall)
    vendor.failures.clear()
    vendor.use("b", 1.0, sessions=3.0)
    polled.poll(after=600.0)
    usage = {t.template.id: t.usage for t in polled.poller.snapshot().templates}
    assert usage["b"].readings[Field.SESSIONS] == 3.0
    assert usage["b"].counters[Field.SESSIONS] == 7.0
