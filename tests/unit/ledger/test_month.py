from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.ledger.month import Month, MonthClose, Phase

CLOSE = MonthClose(settle=300.0, zero=120.0)
DECEMBER = Month(2026, 12)


@pytest.mark.parametrize(
    ("text", "month"), [("2026-11", Month(2026, 11)), ("2027-1", Month(2027, 1))]
)
def test_months_are_written_as_the_vendors_write_them(text: str, month: Month) -> None:
    """YYYY-MM, read and written."""
    assert Month.parse(text) == month
    assert Month.parse(str(month)) == month


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "lifetime", "2026-11-01"])
def test_other_texts_are_no_months(text: str) -> None:
    """A mistake is not guessed at."""
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        Month.parse(text)


@given(st.integers(0, 4_000_000_000))
def test_every_second_belongs_to_one_month(now: int) -> None:
    """Months follow each other without a gap, in UTC."""
    month = Month.at(now)
    assert month.start <= now < month.end
    assert month.next().previous() == month
    assert month.next().start == month.end
    assert datetime.fromtimestamp(month.start, UTC).day == 1
    assert month < month.next()


@pytest.mark.parametrize(
    ("since", "phase", "month", "length"),
    [
        (-0.5, Phase.LIVE, "2026-11", 30 * 86400 - 1),
        (0.0, Phase.SETTLE, "2026-11", 30 * 86400),
        (299.9, Phase.SETTLE, "2026-11", 30 * 86400),
        (300.0, Phase.ZERO, "2026-12", 300),
        (419.9, Phase.ZERO, "2026-12", 419),
        (420.0, Phase.LIVE, "2026-12", 420),
    ],
)
def test_the_phases_of_a_months_end(since: float, phase: Phase, month: str, length: int) -> None:
    """The closed month whole, then zero, then the new month so far, by the clock alone."""
    now = DECEMBER.start + since
    window = CLOSE.window(now)
    assert CLOSE.phase(now) is phase
    assert (str(window.month), window.end - window.start) == (month, length)
    assert window.start == window.month.start


def test_a_window_is_never_empty() -> None:
    """Even where nothing is settled, the first second of a month asks for something."""
    window = MonthClose(settle=0.0, zero=0.0).window(DECEMBER.start)
    assert window.end - window.start == 1
