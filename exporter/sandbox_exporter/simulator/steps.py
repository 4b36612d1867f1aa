"""Step functions of time with exact integrals: everything in the fleet is made of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

Change = tuple[int, int]
"""A moment in ms, and by how much the level changes there."""


class Span(NamedTuple):
    """The level is higher by `weight` from `start` to just before `end`, both in ms."""

    start: int
    end: int
    weight: int


class Steps:
    """A sum of spans. All numbers are integers, so that integrals add up exactly.

    A question about the level or the area takes O(log n).
    """

    __slots__ = ("_levels", "_moments", "_times")

    def __init__(self, changes: Iterable[Change]) -> None:
        ordered = sorted(changes)
        self._times = array("q", (moment for moment, _ in ordered))
        self._levels = array("q", accumulate((by for _, by in ordered), initial=0))
        self._moments = array("q", accumulate((at * by for at, by in ordered), initial=0))

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Steps:
        """The sum of `spans`."""
        return cls(
            change for start, end, weight in spans for change in ((start, weight), (end, -weight))
        )

    def level(self, at: int) -> int:
        """The level at a moment."""
        return self._levels[bisect_right(self._times, at)]

    def area(self, until: int) -> int:
        """The integral from the beginning to a moment, in level times ms."""
        index = bisect_right(self._times, until)
        return until * self._levels[index] - self._moments[index]

    def between(self, start: int, end: int) -> int:
        """The integral from `start` to `end`, in level times ms."""
        return self.area(end) - self.area(start)

    def areas(self, edges: Sequence[int]) -> list[int]:
        """The integral between each edge and the next."""
        return [after - before for before, after in pairwise(map(self.area, edges))]

    def changes(self, shift: int, factor: int) -> Iterator[Change]:
        """Its changes, moved in time by `shift` ms and multiplied by `factor`."""
        levels = self._levels
        for index, moment in enumerate(self._times):
            yield moment + shift, (levels[index + 1] - levels[index]) * factor
