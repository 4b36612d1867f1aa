from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.config import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("1m30s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1d2h3m4s5ms", 93784.005),
        ("0s", 0),
    ],
)
def test_parse_reads_what_prometheus_users_write(text: str, seconds: float) -> None:
    """Units may be combined, and a number may have a fraction."""
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "30 s", "5s1m", "1m1m", "-5s", "1e3s", "5S", "٣s", "1w"])
def test_parse_refuses_what_is_no_duration(text: str) -> None:
    """Units out of order, repeated, unknown or without a number are refused."""
    with pytest.raises(ValueError, match=r"^is not a duration such as 30s, 1m30s or 1h$"):
        durations.parse(text)


@pytest.mark.parametrize("text", ["60", "0", "1.5", "-5"])
def test_parse_asks_for_a_unit(text: str) -> None:
    """A bare number could be seconds or minutes, so the message asks for the unit."""
    with pytest.raises(ValueError, match=r"^has no unit, write s, m or h behind the number$"):
        durations.parse(text)


@given(st.integers(0, 10**12))
def test_format_seconds_is_read_back(milliseconds: int) -> None:
    """What is written for any duration stands for the same duration."""
    assert durations.parse(durations.format_seconds(milliseconds / 1000)) == milliseconds / 1000


@given(st.text(alphabet="0123456789.dhms "))
def test_parse_only_raises_value_errors(text: str) -> None:
    """No text at all makes parsing fail in another way."""
    with contextlib.suppress(ValueError):
        assert durations.parse(text) >= 0
