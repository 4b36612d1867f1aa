from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.billing import Month, MonthClose
from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.model import Field, Template
from sandbox_exporter.poll.account import Timing
from sandbox_exporter.poll.templates import MAX_AGE
from sandbox_exporter.snapshot import AccountSnapshot

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop
    from tests.unit.poll.conftest import FakeVendor, MakePolled

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
LACKING = UpstreamError(Reason.NOT_FOUND, "HTTP 404", status=404)
COST = Field.COST_USD


def up(snapshot: AccountSnapshot) -> dict[str, bool]:
    """Which of the published endpoints are up."""
    return {endpoint.name: endpoint.up for endpoint in snapshot.endpoints}


def costs(snapshot: AccountSnapshot) -> dict[str, float]:
    """The cost counter of each template that has one."""
    return {
        t.template.id: t.usage.counters[COST]
        for t in snapshot.templates
        if COST in t.usage.counters
    }


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


@pytest.mark.parametrize("failing", ["storage", "costs_previous", "templates", "a"])
def test_one_failing_endpoint_leaves_the_others(
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    failing: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its health says so, one line is logged, and what the others bring is published."""
    vendor = fake_vendor("a", "b")
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures[failing] = DOWN
    vendor.use("a", 5.0)
    vendor.use("b", 2.0)
    polled.poll(after=3600)
    snapshot = polled.poller.snapshot()
    endpoint = "template_summary" if failing == "a" else failing
    assert [name for name, is_up in up(snapshot).items() if not is_up] == [endpoint]
    told = "template a: HTTP 500" if failing == "a" else "HTTP 500"
    assert snapshot.error == f"{endpoint}: server: {told}"
    assert snapshot.usage.counters == {COST: 7.0}
    assert costs(snapshot)["b"] == 2.0
    (record,) = caplog.records
    fields = vars(record)
    assert record.levelno == logging.WARNING
    assert (fields["account"], fields["endpoint"], fields["reason"]) == ("prod", endpoint, "server")


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


def test_without_the_totals_no_template_is_asked(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Templates could not be compared with the account, and their health says so."""
    vendor = fake_vendor("a")
    vendor.failures["summary"] = DOWN
    polled = make_polled(vendor)
    polled.poll()
    assert "a" not in vendor.asked()
    health = {endpoint.name: endpoint for endpoint in polled.poller.snapshot().endpoints}
    assert not health["template_summary"].up
    assert "totals are missing" in health["template_summary"].error


def test_an_endpoint_that_the_deployment_lacks_is_tried_again_hourly(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no failure, and when it appears it is used."""
    vendor = fake_vendor("a")
    vendor.failures["storage"] = LACKING
    polled = make_polled(vendor)
    with caplog.at_level(logging.INFO):
        polled.poll()
    assert "not supported by the deployment" in caplog.text
    assert polled.poller.snapshot().up
    assert "storage" not in up(polled.poller.snapshot())
    vendor.asked()
    polled.poll(after=3599)
    assert "storage" not in vendor.asked()
    vendor.failures.clear()
    polled.poll(after=1)
    assert up(polled.poller.snapshot())["storage"]


def test_a_misfit_answer_is_counted(fake_vendor: type[FakeVendor], make_polled: MakePolled) -> None:
    """Each answer that is not what the API promises counts, of templates too."""
    vendor = fake_vendor("a", "b")
    vendor.failures |= dict.fromkeys(("storage", "a", "b"), AnswerError("month: misfit"))
    polled = make_polled(vendor)
    polled.poll()
    assert sorted(polled.observer.errors) == [
        ("storage", Reason.SCHEMA),
        ("template_summary", Reason.SCHEMA),
        ("template_summary", Reason.SCHEMA),
    ]


def test_a_template_that_always_fails_does_not_hide_the_others(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """The breakdown stays, and its health tells that something of it is missing."""
    vendor = fake_vendor("a")
    polled = make_polled(vendor, templates=("a", "typo"))
    vendor.failures["typo"] = LACKING
    for _ in range(8):
        vendor.use("a", 1.0, running_sandboxes=1)
        polled.poll(after=60)
    snapshot = polled.poller.snapshot()
    assert costs(snapshot) == {"a": 8.0}
    assert not up(snapshot)["template_summary"]


def test_an_account_without_templates_asks_for_none(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Neither the list nor any template's usage, and there is no health of them."""
    vendor = fake_vendor()
    vendor.templates = None
    polled = make_polled(vendor)
    polled.poll()
    assert sorted(vendor.asked()) == ["costs_previous", "storage", "summary"]
    assert sorted(up(polled.poller.snapshot())) == ["costs_previous", "storage", "summary"]


def test_configured_templates_are_polled_without_a_list(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Just the ones that were named."""
    vendor = fake_vendor("a", "b")
    polled = make_polled(vendor, templates=("b",))
    polled.poll()
    asked = vendor.asked()
    assert "templates" not in asked
    assert "a" not in asked
    assert list(costs(polled.poller.snapshot())) == ["b"]


def test_a_template_found_later_is_born_at_zero(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Its first usage shows as growth; those found by the first listing start where they are."""
    vendor = fake_vendor("old")
    vendor.use("old", 3.0)
    vendor.failures["templates"] = DOWN
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures.clear()
    polled.poll(after=60)
    assert costs(polled.poller.snapshot()) == {"old": 3.0}
    vendor.use("new", 2.0)
    vendor.listing.append(Template("new"))
    polled.poll(after=60)
    assert costs(polled.poller.snapshot()) == {"old": 3.0, "new": 0.0}
    polled.poll(after=130)
    assert costs(polled.poller.snapshot()) == {"old": 3.0, "new": 2.0}


def test_a_template_beyond_the_bound_is_born_at_zero_when_it_gets_its_place(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """It had no series before, although it was in the list."""
    vendor = fake_vendor("first", "second")
    vendor.use("second", 2.0)
    polled = make_polled(vendor, max_templates=1)
    polled.poll()
    assert polled.poller.snapshot().templates_dropped == 1
    vendor.listing = [Template("second")]
    polled.poll(after=MAX_AGE)
    polled.poll(after=60)
    assert costs(polled.poller.snapshot()) == {"second": 0.0}


def test_a_long_list_is_not_read_at_each_poll(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Reading it takes a tenth of the request limit at most."""
    vendor = fake_vendor(*(f"t{n:04d}" for n in range(5000)))
    polled = make_polled(vendor, max_requests_per_minute=170, max_templates=10)
    polled.poll()
    vendor.asked()
    for _ in range(6):
        polled.poll(after=60)
        assert vendor.asked().count("templates") <= 17


def test_a_corrected_total_is_counted(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """The account's total and the template's fell: two answers, and the counters hold."""
    vendor = fake_vendor("a")
    vendor.use("a", 5.0, running_sandboxes=1)
    polled = make_polled(vendor)
    polled.poll()
    vendor.use("a", -2.0)
    polled.poll(after=60)
    assert polled.observer.corrections == 2
    snapshot = polled.poller.snapshot()
    assert (snapshot.usage.counters[COST], snapshot.usage.readings[COST]) == (5.0, 3.0)


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


@pytest.mark.parametrize(("interval", "limit", "templates"), [(60.0, 9, 20), (10.0, 60, 400)])
def test_the_limit_is_enough_for_every_template_each_fifteen_minutes(
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    in_virtual_time: InVirtualTime,
    interval: float,
    limit: int,
    templates: int,
) -> None:
    """Polls wait for the limit a little at most, and no template's answer grows too old."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor(*(f"t{n:03d}" for n in range(templates)))
        timing = Timing(MonthClose(), 300.0, lambda: 1_794_000_000.0 + loop.time(), loop.time)
        polled = make_polled(vendor, timing, poll_interval=interval, max_requests_per_minute=limit)
        answered: dict[str, float] = {}
        for poll in range(int(3600 / interval)):
            await asyncio.sleep(poll * interval - loop.time())
            await polled.poller.poll()
            assert loop.time() < (poll + 1) * interval
            answered |= dict.fromkeys(vendor.asked(), loop.time())
            if loop.time() > MAX_AGE:
                assert len(answered) >= templates
                assert min(v for k, v in answered.items() if k[0] == "t") >= loop.time() - MAX_AGE

    in_virtual_time(test)


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
    polled.poll(after=month.next().end + 3600 - polled.clocks.wall)
    assert polled.poller.ledger.templates() == ["stays"]


def test_a_template_that_always_fails_hides_nothing_of_an_idle_account(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """Its own series go after five minutes; those that nobody need ask stay, and health tells."""
    vendor = fake_vendor("a", "b", "c")
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures["b"] = DOWN
    while polled.poller.snapshot().error == "":
        polled.poll(after=60)
    assert sorted(costs(polled.poller.snapshot())) == ["a", "b", "c"]
    for _ in range(6):
        polled.poll(after=60)
    snapshot = polled.poller.snapshot()
    assert sorted(costs(snapshot)) == ["a", "c"]
    assert snapshot.up
    assert snapshot.error == "template_summary: server: template b: HTTP 500"
    vendor.failures.clear()
    for _ in range(6):
        polled.poll(after=60)
    assert polled.poller.snapshot().error == ""
    assert sorted(costs(polled.poller.snapshot())) == ["a", "b", "c"]


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


def test_a_route_that_vanishes_is_told_and_wipes_nothing_at_once(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """The endpoint is down with one line, and the series stay for five minutes."""
    vendor = fake_vendor("a", "b", "c")
    for id_ in "abc":
        vendor.use(id_, 1.0, running_sandboxes=1)
    polled = make_polled(vendor)
    polled.poll()
    vendor.failures |= dict.fromkeys("abc", LACKING)
    for _ in range(5):
        for id_ in "abc":
            vendor.use(id_, 1.0)
        polled.poll(after=59)
        assert not up(polled.poller.snapshot())["template_summary"]
        assert len(costs(polled.poller.snapshot())) == 3
    (record,) = caplog.records
    assert vars(record)["reason"] == "not_found"
    vendor.use("a", 1.0)
    polled.poll(after=59)
    assert costs(polled.poller.snapshot()) == {}


def test_an_item_that_cannot_be_used_is_told(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are polled; a count, the endpoint's health and one line tell of it."""
    vendor = fake_vendor("a")
    vendor.unusable = {1: "templates[1].templateID: expected printable text, got text"}
    polled = make_polled(vendor)
    for _ in range(3):
        polled.poll(after=60)
    snapshot = polled.poller.snapshot()
    assert list(costs(snapshot)) == ["a"]
    assert (snapshot.up, snapshot.templates_invalid) == (True, 1)
    assert snapshot.error.startswith("templates: schema: 1 left out that cannot be used: templates")
    (record,) = caplog.records
    assert vars(record)["endpoint"] == "templates"
    vendor.unusable = {}
    polled.poll(after=60)
    assert polled.poller.snapshot().templates_invalid == 0
    assert polled.poller.snapshot().error == ""


def test_a_rejected_key_is_one_line(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, caplog: pytest.LogCaptureFixture
) -> None:
    """For all endpoints and all polls until it is mended."""
    vendor = fake_vendor("a")
    rejected = UpstreamError(Reason.AUTH, "HTTP 401", status=401)
    names = ("summary", "storage", "costs_previous", "templates")
    vendor.failures |= dict.fromkeys(names, rejected)
    polled = make_polled(vendor)
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            polled.poll(after=60)
        (record,) = caplog.records
        assert vars(record)["endpoint"] == ",".join((*names, "template_summary"))
        vendor.failures.clear()
        polled.poll(after=60)
    assert caplog.records[1].getMessage() == "recovered after 50 min"


def test_templates_of_a_first_list_of_many_polls_are_no_births(
    fake_vendor: type[FakeVendor], make_polled: MakePolled
) -> None:
    """All of them were there at the start, however late the list comes to them."""
    vendor = fake_vendor(*(f"t{n}" for n in range(30)))
    vendor.page_size = 1
    for n in range(30):
        vendor.use(f"t{n}", 3.0)
    polled = make_polled(vendor, max_requests_per_minute=100)
    for _ in range(12):
        polled.poll(after=60)
    assert set(costs(polled.poller.snapshot()).values()) == {3.0}
    assert len(costs(polled.poller.snapshot())) == 30
