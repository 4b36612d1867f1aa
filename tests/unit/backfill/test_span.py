from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from sandbox_exporter.backfill.span import Span, iso
from sandbox_exporter.vendors.base import Cycle

At = Callable[[str], int]


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2025-03-01", "2025-03-02", "2025-03-01", "2025-03-02"),
        ("2025-03-01T10:00:59", None, "2025-03-01T10:00", "2025-03-10T12:34"),
        ("2025-03-01T10:00+02:00", "2025-03-01T10:00Z", "2025-03-01T08:00", "2025-03-01T10:00"),
        ("2d", "12h", "2025-03-08T12:34", "2025-03-10T00:34"),
    ],
)
def test_times_may_be_dates_times_or_durations(
    at: At, start: str, end: str | None, first: str, last: str
) -> None:
    """UTC without a zone, cut to whole minutes, until now without an end."""
    now = at("2025-03-10T12:34:56") + 0.5
    assert Span.parse(start, end, now) == Span(at(first), at(last))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("yesterday", None, "--from: must be a date (2026-01-31)"),
        ("31", None, "--from: must be a date"),
        ("2025-03-01", "31.3.2025", "--to: must be a date"),
        ("2025-03-01", "2025-03-11", "--to: is in the future"),
        ("2025-03-02", "2025-03-01", "--from: must be before --to"),
        ("2025-03-10T12:34:01", None, "--from: must be before --to"),
        ("1999-12-31", None, "--from: is before the year 2000"),
        ("9999999d", None, "--from: is before the year 2000"),
    ],
)
def test_wrong_times_are_named(at: At, start: str, end: str | None, message: str) -> None:
    """The message names the flag and what is allowed."""
    with pytest.raises(ValueError, match="--") as raised:
        Span.parse(start, end, at("2025-03-10T12:34:56"))
    assert str(raised.value).startswith(message)


def test_windows_are_what_the_api_allows(at: At) -> None:
    """UTC days for minutes and hours, months for days; they cover the span without a gap."""
    span = Span(at("2025-01-30T22:00"), at("2025-03-02T03:00"))
    days = list(span.windows(Cycle.MINUTE))
    assert len(days) == 32
    assert [days[0].start, days[-1].end] == [span.start, span.end]
    assert all(a.end == b.start for a, b in pairwise(days))
    assert all(window.end - window.start <= Cycle.DAY for window in days)
    months = [str(window.month) for window in span.aligned(Cycle.DAY).windows(Cycle.DAY)]
    assert months == ["2025-01", "2025-02", "2025-03"]


def test_months_are_asked_as_polls_ask_them(at: At) -> None:
    """From their first second to their end, or to the span's."""
    span = Span(at("2025-01-30T22:00"), at("2025-02-02T03:00"))
    assert [(w.start, w.end) for w in span.months()] == [
        (at("2025-01-01"), at("2025-02-01")),
        (at("2025-02-01"), at("2025-02-02T03:00")),
    ]


def test_midnights_are_written_as_dates(at: At) -> None:
    """Other moments with their time and zone."""
    assert iso(at("2025-03-01")) == "2025-03-01"
    assert iso(at("2025-03-01T10:37")) == "2025-03-01T10:37:00Z"
