"""From answers to samples: what each series of an account or template shows, and when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox_exporter.backfill.prices import PRICED, Prices
from sandbox_exporter.backfill.reading import TOTALS, Answers, cycle_of, whole_buckets
from sandbox_exporter.backfill.shares import climb, divide, spread
from sandbox_exporter.model import KINDS, Field, Kind
from sandbox_exporter.vendors.base import Cycle, History

TURN = 1
"""Seconds after a month's start at which its counters show 0. At the start itself they show the
closed month's final total, so that `increase()` over any range that ends there has all of it."""
_COST_DOUBT = 0.001
"""Relative difference beyond which a cost report speaks of something else than the summary."""

Shares = Mapping[Field, Sequence[float] | None]
"""The usage in each bucket; None where only the window's total is known."""


@dataclass(slots=True)
class Samples:
    """Values of one quantity at ascending Unix seconds; nan where there is no sample."""

    field: Field
    times: range
    values: Sequence[float]


@dataclass(slots=True)
class Position:
    """How far the series of an account or template have come."""

    until: int = 0
    """The last sample's time; 0 before the first."""
    shown: dict[Field, float] = field(default_factory=dict)
    """What the counters showed then."""


class Assembler:
    """Makes the samples of one account or template."""

    def __init__(self, history: History, resolution: Cycle, position: Position) -> None:
        trends = history.trends
        self._usage = {t.fields[0]: t for t in trends if _is_total(t.fields[0])}
        self._levels = [t for t in trends if not _is_total(t.fields[0])]
        self._cost_rounding = history.cost_rounding
        self._resolution = resolution
        self.position = position

    def assemble(self, answers: Answers, prices: Prices) -> tuple[list[Samples], dict[str, str]]:
        """The samples of the next window, and what of it is not known and why.

        Nothing is made before the first usage, and nothing for a window without totals.
        """
        if TOTALS in answers.missing:
            return [], dict(answers.missing)
        if not self.position.until and answers.idle:
            return [], {}
        shares = self._shares(answers, prices)
        unknown = dict(answers.missing)
        for quantity, share in shares.items():
            name = self._usage[quantity].name if quantity in self._usage else str(quantity)
            if share is None and name not in unknown:
                unknown[name] = "the trend does not explain the summary's total"
        samples = [*self._totals(answers, shares), *self._level_samples(answers, shares)]
        self.position.until = answers.window.end
        return samples, unknown

    def _cycle(self) -> Cycle:
        return max(cycle_of(trend, self._resolution) for trend in self._usage.values())

    def _shares(self, answers: Answers, prices: Prices) -> Shares:
        window = answers.window
        if answers.idle:
            idle = [0.0] * ((window.end - window.start) // self._cycle())
            return dict.fromkeys(answers.end, idle)
        points = {f: answers.trends.get(t.name, ()) for f, t in self._usage.items()}
        busy = sorted({i for told in points.values() for i, v in enumerate(told) if v > 0})
        shares: dict[Field, Sequence[float] | None] = {}
        for quantity in answers.end:
            growth = answers.growth(quantity)
            told = points.get(quantity)
            if growth is None or quantity is Field.COST_USD or not told:
                shares[quantity] = None
            else:
                shares[quantity] = spread(told, growth, self._usage[quantity].rounding, busy)
        cost = answers.growth(Field.COST_USD)
        if cost is not None:
            weights = self._daily_costs(answers, cost) or _priced(shares, prices)
            shares[Field.COST_USD] = divide(cost, weights)
        return shares

    def _daily_costs(self, answers: Answers, cost: float) -> Sequence[float] | None:
        """What the cost report says of the window's days, if it speaks of the same cost."""
        window = answers.window
        if self._resolution is not Cycle.DAY:
            return None
        days = [answers.costs.get(day) for day in range(window.start, window.end, Cycle.DAY)]
        told = [day for day in days if day is not None]
        allowed = self._cost_rounding * len(days) + _COST_DOUBT * cost
        fits = len(told) == len(days) and abs(math.fsum(told) - cost) <= allowed
        return told if fits and any(told) else None

    def _totals(self, answers: Answers, shares: Shares) -> Iterator[Samples]:
        window = answers.window
        turn = window.start == window.month.start
        continues = self.position.until == window.start
        step = self._resolution // self._cycle()
        times = range(window.start + self._resolution, window.end + 1, self._resolution)
        for quantity, share in shares.items():
            before = answers.before(quantity)
            if continues and not turn:
                before = self.position.shown.get(quantity, before)
            elif before is not None:
                first = window.start + TURN if turn else window.start
                yield Samples(quantity, range(first, first + 1), (before,))
            end = max(answers.end[quantity], before or 0.0)
            self.position.shown[quantity] = end
            if share is None or before is None:
                yield Samples(quantity, range(window.end, window.end + 1), (end,))
            else:
                yield Samples(quantity, times, climb(before, end, share)[step - 1 :: step])

    def _level_samples(self, answers: Answers, shares: Shares) -> Iterator[Samples]:
        """Levels stand at the end of the bucket whose mean they are."""
        for trend in self._levels:
            cycle = cycle_of(trend, self._resolution)
            whole = whole_buckets(answers.window, cycle)
            told = answers.trends.get(trend.name, ())
            if trend.fields == (Field.RUNNING_SANDBOXES,):
                told = _running(told, shares.get(Field.VCPU_SECONDS))
            if whole is None or not told:
                continue
            width = max(cycle, self._resolution)
            values = _means(told, width // cycle)
            for quantity in trend.fields:
                yield Samples(quantity, range(whole.start + width, whole.end + 1, width), values)


def _running(told: Sequence[float], vcpus: Sequence[float] | None) -> Sequence[float]:
    """Where no vCPU was used nothing ran, whether or not the trend says so."""
    if vcpus is None:
        return told
    told = told or [math.nan] * len(vcpus)
    return [
        0.0 if math.isnan(level) and not used else level
        for level, used in zip(told, vcpus, strict=True)
    ]


def _means(levels: Sequence[float], count: int) -> Sequence[float]:
    """The mean of each `count` levels in a row."""
    if count == 1:
        return levels
    return [math.fsum(levels[i : i + count]) / count for i in range(0, len(levels), count)]


def _priced(shares: Shares, prices: Prices) -> Sequence[float]:
    """The worth of each bucket's usage."""
    known = [(share, prices[f]) for f in PRICED if (share := shares.get(f)) and prices[f]]
    if not known:
        return ()
    worth = [[usage * price for usage in share] for share, price in known]
    return list(map(sum, zip(*worth, strict=True)))


def _is_total(quantity: Field) -> bool:
    return KINDS[quantity] is Kind.MONTH_TOTAL
