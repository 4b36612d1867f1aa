"""Counters, gauges and histograms that are counted one by one, kept by account.

So an account's series are rendered again only when one of them changed, and go with the account at
once. Series may be counted from any thread.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from sandbox_exporter.catalogue import Metric

Owner = tuple[str, ...]
"""Provider and account; empty for what is counted of the exporter as a whole."""
_OWNER = ("provider", "account")
_LOCK = threading.Lock()
"""For additions, which read before they write."""


class Series:
    """One series of a counter or a gauge."""

    __slots__ = ("_changed", "_owner", "value")

    def __init__(self, owner: Owner, changed: set[Owner]) -> None:
        self._owner = owner
        self._changed = changed
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Adds to the value."""
        with _LOCK:
            self.value += amount
        self._changed.add(self._owner)

    def set(self, value: float) -> None:
        """Replaces the value."""
        self.value = float(value)
        self._changed.add(self._owner)


class Distribution:
    """One series of a histogram."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values in each bucket and in no lower one; the last has no bound."""
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        with _LOCK:
            self.counts[bisect_left(self.bounds, value)] += 1
            self.sum += value


_S = TypeVar("_S", Series, Distribution)


class Instrument(ABC, Generic[_S]):
    """One metric family of the exporter's own; `changed` gets the owners of changed series."""

    def __init__(self, metric: Metric, changed: set[Owner]) -> None:
        self.metric = metric
        self.by_account = metric.labels[:2] == _OWNER
        self._changed = changed
        self._series: dict[Owner, dict[tuple[str, ...], _S]] = {}
        if not metric.labels:
            self.labels()

    @abstractmethod
    def _new(self, owner: Owner) -> _S:
        """A series that has counted nothing."""

    def labels(self, *values: str) -> _S:
        """The series with these label values, in the order of the metric's labels."""
        owner = values[:2] if self.by_account else ()
        found = self._series.setdefault(owner, {})
        series = found.get(values)
        if series is None:
            if len(values) != len(self.metric.labels):
                raise ValueError(f"{self.metric.name} has the labels {self.metric.labels}")
            series = found[values] = self._new(owner)
        return series

    def rows(self, owner: Owner = ()) -> Iterator[tuple[tuple[str, ...], _S]]:
        """Label values and series of an owner."""
        yield from tuple(self._series.get(owner, {}).items())

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Who has series."""
        return tuple(self._series)

    def forget(self, owner: Owner) -> None:
        """Drops the series of an owner."""
        if self._series.pop(owner, None) is not None:
            self._changed.add(owner)


class Counter(Instrument[Series]):
    """A family that only grows."""

    def _new(self, owner: Owner) -> Series:
        return Series(owner, self._changed)

    def inc(self, amount: float = 1.0) -> None:
        """Adds to the series without labels."""
        self.labels().inc(amount)


class Gauge(Instrument[Series]):
    """A family of values that are set."""

    def _new(self, owner: Owner) -> Series:
        return Series(owner, self._changed)

    def set(self, value: float) -> None:
        """Replaces the value of the series without labels."""
        self.labels().set(value)


class Histogram(Instrument[Distribution]):
    """A family of distributions over the same buckets."""

    def __init__(self, metric: Metric, changed: set[Owner], bounds: Sequence[float]) -> None:
        self.bounds = bounds
        super().__init__(metric, changed)

    def _new(self, owner: Owner) -> Distribution:  # noqa: ARG002 - all are of one owner
        return Distribution(self.bounds)
