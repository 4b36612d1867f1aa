from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.backfill.shares import climb, divide, spread

TRUTHS = st.lists(st.floats(0, 5) | st.just(0.0) | st.floats(0, 1e-4), min_size=1, max_size=60)
HALF = 0.00005


@given(truth=TRUTHS)
def test_rounded_points_add_up_to_the_total(truth: list[float]) -> None:
    """Whatever was rounded away comes back, no bucket falls below 0."""
    points = [round(usage, 4) for usage in truth]
    total = math.fsum(truth)
    shares = spread(points, total, HALF, ())
    assert shares is not None
    assert all(share >= 0 for share in shares)
    assert math.fsum(shares) == pytest.approx(total, rel=1e-9, abs=1e-12)


@given(truth=TRUTHS, before=st.floats(0, 1e9))
def test_running_totals_never_fall_and_end_exactly(truth: list[float], before: float) -> None:
    """The last one is the summary's own number."""
    end = before + math.fsum(truth)
    totals = climb(before, end, truth)
    assert totals == sorted(totals)
    assert totals[-1] == end
    assert totals[0] >= before


def test_steady_usage_is_restored_exactly() -> None:
    """2 vCPUs for a minute are 0.0333 vCPU-hours to the vendor, 1/30 in truth."""
    shares = spread([0.0333, 0.0, 0.0333], 2 / 30, HALF, ())
    assert shares == [pytest.approx(1 / 30), 0.0, pytest.approx(1 / 30)]


def test_usage_that_rounds_to_nothing_goes_where_something_ran() -> None:
    """A little transfer goes to the buckets in which there was vCPU time."""
    assert spread([0.0] * 4, 0.00008, HALF, (1, 2)) == pytest.approx([0, 0.00004, 0.00004, 0])


def test_points_that_say_too_much_are_scaled_down() -> None:
    """No bucket falls below 0."""
    shares = spread([0.0001, 0.5, 0.0], 0.4999, HALF, ())
    assert shares is not None
    assert min(shares) >= 0
    assert math.fsum(shares) == pytest.approx(0.4999)


@pytest.mark.parametrize(
    "points",
    [[0.1, 0.1], [math.nan, math.nan], [math.nan, 0.1], [0.9, 0.9]],
)
def test_unexplained_totals_are_not_spread(points: list[float]) -> None:
    """Missing points, and points of something else, are no detail."""
    assert spread(points, 1.0, HALF, ()) is None


def test_nothing_used_needs_no_points() -> None:
    """Points that are left out are 0 where the total is."""
    assert spread([math.nan, math.nan], 0.0, HALF, ()) == [0.0, 0.0]


def test_division_keeps_the_total() -> None:
    """In proportion to the weights; a total without weights cannot be divided."""
    assert divide(6.0, [1, 2, 0]) == [2.0, 4.0, 0.0]
    assert divide(0.0, [0, 0]) == [0.0, 0.0]
    assert divide(1.0, [0, 0]) is None
