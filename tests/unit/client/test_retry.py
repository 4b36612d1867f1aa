from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.client.retry import Pause, backoff, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()


def test_waits_double_up_to_a_cap() -> None:
    """Each further attempt waits longer, but never more than 8 seconds."""
    assert [backoff(retries, lambda: 1.0) for retries in range(6)] == [0.5, 1, 2, 4, 8, 8]


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_waits_from_zero(retries: int, random: float) -> None:
    """A wait is anywhere between nothing and its exponential bound."""
    assert 0 <= backoff(retries, lambda: random) <= 8


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("999999", 999999),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Mon, 01 Mar 2027 12:00:00 GMT", 365 * 86400),
    ],
)
def test_both_forms_are_understood(value: str, seconds: float) -> None:
    """Seconds and all three kinds of HTTP date count."""
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value", ["", "-5", "soon", "1e3", "inf", "٣", "Sun, 99 Mar 2026 12:00:30 GMT", "9" * 5000]
)
def test_nonsense_is_ignored(value: str) -> None:
    """What is neither a number nor a date asks for nothing."""
    assert retry_after(value, NOW) is None


@given(
    st.text(max_size=60) | st.from_regex(r"\A[A-Z][a-z]{2}, [0-9 ]{2} [A-Za-z]{3} [0-9: GMT+-]*\Z")
)
def test_any_text_gives_a_bounded_wait_or_none(value: str) -> None:
    """A vendor's header cannot break a call."""
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 1e10


@given(st.integers(-(10**9), 10**9) | st.integers(-10, 1000))
def test_a_date_means_the_time_until_then(seconds: int) -> None:
    """A date asks for the seconds from now until then, none when it is over."""
    date = datetime.fromtimestamp(NOW + seconds, UTC)
    expected = max(seconds, 0)
    assert retry_after(format_datetime(date, usegmt=True), NOW) == expected


def test_a_pause_says_what_was_asked_for_and_what_is_kept() -> None:
    """Who reads it knows that the vendor asked for more."""
    assert str(Pause(20.0, 20.0, 0.0)) == "the vendor asked for a pause of 20 s"
    assert str(Pause(3e9, 150.0, 0.0)).endswith("a pause of 3000000000 s, kept for 150 s")
