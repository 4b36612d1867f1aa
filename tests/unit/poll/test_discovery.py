from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.model import Template
from sandbox_exporter.poll.discovery import Discovery
from sandbox_exporter.poll.templates import MAX_AGE, TemplateBook
from sandbox_exporter.vendors import listing

if TYPE_CHECKING:
    from tests.unit.poll.conftest import FakeVendor

DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)
BAD_OFFSET = UpstreamError(Reason.INVALID_REQUEST, "HTTP 400", status=400)


class Reading:
    """Polls of a made-up vendor's list, a minute apart, with 3 pages of 10 a poll."""

    def __init__(self, vendor: FakeVendor, most: int = 1000) -> None:
        vendor.page_size = 10
        self.vendor = vendor
        self.clock = 10_000.0
        self.book = TemplateBook(most)
        self.discovery = Discovery(vendor, self.book, 30, lambda: self.clock)

    def poll(self, seconds: float = 60.0) -> int:
        """Reads on; the number of pages that were asked for."""
        self.clock += seconds
        self.vendor.asked()
        asyncio.run(self.discovery.read(self.clock + 6))
        return len(self.vendor.asked())

    @property
    def ids(self) -> list[str]:
        """The templates of the book."""
        return [entry.template.id for entry in self.book]


def ids(count: int) -> list[str]:
    """Names of templates."""
    return [f"t{number:03d}" for number in range(count)]


def test_a_long_list_is_read_over_several_polls(fake_vendor: type[FakeVendor]) -> None:
    """Each takes its share, goes on where the last one stopped, and adds what it found."""
    reading = Reading(fake_vendor(*ids(75)))
    found = []
    for _ in range(3):
        assert reading.poll() == 3
        found.append((len(reading.book), reading.discovery.unfinished))
    assert found == [(30, True), (60, True), (75, False)]


def test_polls_close_together_share_the_pages_of_a_minute(fake_vendor: type[FakeVendor]) -> None:
    """A tenth of the request limit, however often polls come."""
    reading = Reading(fake_vendor(*ids(500)))
    assert sum(reading.poll(10.0) for _ in range(60)) <= 3 + 30


def test_a_slow_list_leaves_a_polls_time_to_the_rest(fake_vendor: type[FakeVendor]) -> None:
    """One page is read at least."""
    vendor = fake_vendor(*ids(50))
    reading = Reading(vendor)

    async def slow(offset: int) -> object:
        reading.clock += 7
        return await type(vendor).page(vendor, offset)

    vendor.page = slow  # type: ignore[method-assign, assignment]
    assert [reading.poll(), reading.poll()] == [1, 1]
    assert len(reading.book) == 20


def test_a_page_that_fails_comes_next(fake_vendor: type[FakeVendor]) -> None:
    """An outage loses neither the place nor what was found; one that lasts starts anew."""
    vendor = fake_vendor(*ids(75))
    reading = Reading(vendor)
    reading.poll()
    vendor.failures["templates"] = DOWN
    with pytest.raises(UpstreamError, match="HTTP 500"):
        reading.poll()
    vendor.failures.clear()
    reading.poll()
    assert len(reading.book) == 60
    vendor.failures["templates"] = DOWN
    for _ in range(3):
        with pytest.raises(UpstreamError, match="HTTP 500"):
            reading.poll()
    vendor.failures.clear()
    vendor.listing.insert(0, Template("new"))
    reading.poll()
    assert "new" in reading.ids


def test_a_place_that_a_shorter_list_no_longer_has_is_given_up(
    fake_vendor: type[FakeVendor],
) -> None:
    """A vendor may refuse an offset beyond the end: the list is read from its beginning."""
    vendor = fake_vendor(*ids(75))
    reading = Reading(vendor)
    reading.poll()
    vendor.listing = vendor.listing[:5]
    vendor.failures["templates"] = BAD_OFFSET
    with pytest.raises(UpstreamError, match="HTTP 400"):
        reading.poll()
    vendor.failures.clear()
    reading.poll()
    assert not reading.discovery.unfinished
    for _ in range(2):
        reading.poll(MAX_AGE)
    assert reading.ids == ids(5)


def test_a_list_that_shrinks_while_it_is_read_loses_nobody(fake_vendor: type[FakeVendor]) -> None:
    """Those that slipped past between two pages keep their place and are found the next time."""
    vendor = fake_vendor(*ids(60))
    reading = Reading(vendor)
    for _ in range(3):
        reading.poll()
    assert len(reading.book) == 60
    reading.clock += MAX_AGE
    reading.poll()
    del vendor.listing[:20]
    for _ in range(8):
        reading.poll()
        assert set(ids(60)[20:]) <= set(reading.ids)
    assert reading.ids == ids(60)[20:]


def test_a_list_without_end_is_bounded_and_told(
    fake_vendor: type[FakeVendor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails until it is read to its end, takes its share, and what it found is polled."""
    monkeypatch.setattr(listing, "MAX_PAGES", 4)
    vendor = fake_vendor(*ids(100))
    reading = Reading(vendor, most=20)
    assert reading.poll() == 3
    with pytest.raises(UpstreamError, match="over 4 pages") as caught:
        reading.poll()
    assert caught.value.reason is Reason.TOO_LARGE
    for _ in range(2):
        assert reading.poll() <= 3
        assert reading.discovery.too_large
        assert not reading.discovery.unfinished
        with pytest.raises(UpstreamError, match="over 4 pages"):
            reading.poll()
    assert len(reading.book) == 20
    assert reading.book.dropped > 0
    vendor.listing = vendor.listing[:15]
    reading.poll()
    assert not reading.discovery.too_large


def test_items_that_cannot_be_used_are_counted(fake_vendor: type[FakeVendor]) -> None:
    """While the list is read, and until it no longer has them."""
    vendor = fake_vendor(*ids(35))
    reading = Reading(vendor)
    vendor.unusable = {1: "no id", 2: "no text"}
    for _ in range(3):
        reading.poll()
        assert reading.discovery.left_out == ["no id", "no text"]
    vendor.unusable = {}
    for _ in range(3):
        reading.poll()
    assert reading.discovery.left_out == []


def test_a_list_of_which_nothing_can_be_used_is_not_empty(fake_vendor: type[FakeVendor]) -> None:
    """A field that was renamed says nothing of the templates that there are."""
    vendor = fake_vendor(*ids(5))
    reading = Reading(vendor)
    reading.poll()
    vendor.listing, vendor.unusable = [], {1: "templates[0].templateID: got nothing"}
    for _ in range(4):
        with pytest.raises(AnswerError, match="got nothing"):
            reading.poll(MAX_AGE)
    assert reading.ids == ids(5)
