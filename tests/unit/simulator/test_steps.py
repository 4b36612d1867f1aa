from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.simulator.steps import Span, Steps

moments = st.integers(0, 1000)
spans = st.lists(
    st.builds(
        lambda start, length, weight: Span(start, start + length, weight),
        moments,
        st.integers(0, 300),
        st.integers(0, 9),
    ),
    max_size=12,
)


@given(spans, moments)
def test_level_is_the_weight_of_the_spans_that_hold_the_moment(
    made_of: list[Span], at: int
) -> None:
    """A span holds its start and not its end."""
    assert Steps.of(made_of).level(at) == sum(s.weight for s in made_of if s.start <= at < s.end)


@given(spans, moments, moments)
def test_integral_is_weight_times_overlap(made_of: list[Span], one: int, other: int) -> None:
    """No matter where the window lies."""
    start, end = sorted((one, other))
    expected = sum(s.weight * max(0, min(s.end, end) - max(s.start, start)) for s in made_of)
    assert Steps.of(made_of).between(start, end) == expected


@given(spans, st.lists(moments, min_size=2))
def test_buckets_add_up(made_of: list[Span], edges: list[int]) -> None:
    """Areas between edges sum to the area between the outermost ones."""
    edges.sort()
    steps = Steps.of(made_of)
    assert sum(steps.areas(edges)) == steps.between(edges[0], edges[-1])


@given(spans, moments)
def test_moved_and_multiplied_changes_make_the_same_function(made_of: list[Span], at: int) -> None:
    """Step functions can be merged from their changes."""
    steps = Steps.of(made_of)
    assert Steps(steps.changes(50, 3)).level(at + 50) == 3 * steps.level(at)
