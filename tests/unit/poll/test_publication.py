from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.model import Field
from sandbox_exporter.poll.templates import MAX_AGE
from tests.unit.poll.published import costs

if TYPE_CHECKING:
    from tests.unit.poll.conftest import FakeVendor, MakePolled

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
COST = Field.COST_USD


def test_before_the_first_poll_nothing_is_published(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Not tried, not up, no usage; the budget is known from the configuration."""
    snapshot = make_polled(fake_vendor("a"), budget_usd=250.0).poller.snapshot()
    assert (snapshot.tried, snapshot.up, snapshot.usage.readings) == (False, False, {})
    assert (snapshot.budget_usd, snapshot.templates) == (250.0, ())


def test_a_poll_publishes_account_and_templates(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """The first poll brings everything, with the counters at the month's totals."""
    vendor = fake_vendor("a", "b")
    vendor.use("a", 5.0)
    polled = make_polled(vendor)
    polled.poll()
    snapshot = polled.poller.snapshot()
    assert snapshot.tried
    assert snapshot.up
    assert snapshot.usage.counters == {COST: 5.0}
    assert snapshot.usage.readings == {
        COST: 5.0,
        Field.STORAGE_USED_BYTES: 1024.0,
        Field.BILLED_COST_PREVIOUS_USD: 9.0,
    }
    assert costs(snapshot) == {"a": 5.0, "b": 0.0}
    assert snapshot.created == Month(2026, 11).start
    assert (snapshot.templates_known, polled.observer.polls) == (2, 1)


def test_usage_grows_stale_and_health_stays(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Five minutes after the last success usage disappears; it returns with the next one."""
    vendor = fake_vendor("a")
    vendor.use("a", 5.0)
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures["summary"] = DOWN
    polled.poll(after=60)
    fresh = polled.poller.moment()
    assert polled.poller.snapshot().usage.counters == {COST: 5.0}
    polled.poll(after=241)
    snapshot = polled.poller.snapshot()
    assert polled.poller.moment() != fresh
    assert COST not in snapshot.usage.counters
    assert snapshot.usage.readings[Field.STORAGE_USED_BYTES] == 1024.0
    assert snapshot.templates == ()
    assert not snapshot.up
    assert snapshot.last_success == polled.clocks.wall - 301
    vendor.failures.clear()
    polled.poll(after=60)
    assert costs(polled.poller.snapshot()) == {"a": 5.0}


def test_a_template_grows_stale_by_the_clock_alone(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Whoever watches the clock sees that there is something to publish."""
    vendor = fake_vendor("a", "b")
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures["b"] = DOWN
    polled.poll(after=MAX_AGE)
    moment = polled.poller.moment()
    polled.clocks.advance(300)
    polled.clocks.advance(MAX_AGE)
    assert polled.poller.moment() != moment
