from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.model import Template
from sandbox_exporter.poll.context import Timing
from sandbox_exporter.poll.templates import MAX_AGE
from tests.unit.poll.published import costs, up

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop
    from tests.unit.poll.conftest import FakeVendor, MakePolled

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
LACKING = UpstreamError(Reason.NOT_FOUND, "HTTP 404", status=404)


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
