"""Sandbox sessions of one template on one UTC day: a pure function of seed, template and day."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import accumulate
from random import Random

from sandbox_exporter.simulator.steps import Span, Steps
from sandbox_exporter.simulator.templates import Template

MS_PER_DAY = 86_400_000
LOOKBACK_DAYS = 2
"""Sessions and pauses that began so many days ago may last into today, older ones not."""

_HOUR_MS = 3_600_000
_LONGEST_RUN_MS = _HOUR_MS
_SHORTEST_RUN_MS = 5_000
_LONGEST_PAUSE_MS = 36 * _HOUR_MS
_MEAN_PAUSE_MS = 3 * _HOUR_MS
_BURST_ODDS = 0.15
_BURST_MS = 20 * 60_000
_PAUSE_ODDS = 0.15
_WEEKEND = 0.4


class Day:
    """The sessions that began on one day, as step functions over ms since `origin`."""

    __slots__ = ("begun", "origin", "pauses", "runs", "transfer")

    def __init__(
        self, origin: int, runs: Iterable[Span], transfer: Iterable[Span], pauses: Iterable[Span]
    ) -> None:
        runs = list(runs)
        self.origin = origin
        """Unix ms of the day's first moment."""
        self.runs = Steps.of(runs)
        """Running sandboxes."""
        self.transfer = Steps.of(transfer)
        """Bytes a second."""
        self.pauses = Steps.of(pauses)
        """Disk samples of paused sandboxes, in MiB."""
        self.begun = Steps((start, count) for start, _, count in runs)
        """Sessions begun so far."""


def sessions_begun(key: str, template: Template, day: int) -> int:
    """How many sessions begin on a day (days since 1970), without making them."""
    usual, extra, _ = _plan(_rng(key, template, day), template, day)
    return usual + extra


def make_day(key: str, template: Template, day: int, present: Callable[[int], bool]) -> Day:
    """The day's sessions, less those that begin while the template is not `present` (Unix ms)."""
    rng = _rng(key, template, day)
    usual, extra, burst_at = _plan(rng, template, day)
    hours = rng.choices(range(24), cum_weights=_rhythm(template.peak_hour), k=usual)
    starts = [hour * _HOUR_MS + int(rng.random() * _HOUR_MS) for hour in hours]
    starts += [burst_at + int(rng.random() * _BURST_MS) for _ in range(extra)]
    origin = day * MS_PER_DAY
    runs: list[Span] = []
    transfer: list[Span] = []
    pauses: list[Span] = []
    for start in starts:
        runtime = int(rng.expovariate(1 / (template.mean_runtime * 1000)))
        end = start + min(max(runtime, _SHORTEST_RUN_MS), _LONGEST_RUN_MS)
        rate = int(template.transfer_rate * (0.5 + rng.random()))
        pause = _pause(rng, template, end)
        if present(origin + start):
            runs.append(Span(start, end, 1))
            transfer.append(Span(start, end, rate))
            pauses.extend(pause)
    return Day(origin, runs, transfer, pauses)


def _rng(key: str, template: Template, day: int) -> Random:
    return Random(f"{key}/{template.id}/{day}")


def _plan(rng: Random, template: Template, day: int) -> tuple[int, int, int]:
    """How many sessions begin, how many more in a burst, and when the burst begins (ms)."""
    weekend = _WEEKEND if (day + 3) % 7 >= 5 else 1.0  # 1970-01-01 was a Thursday
    mean = template.sessions_per_day * weekend
    usual = round(mean * rng.uniform(0.7, 1.3))
    extra = round(mean * rng.uniform(0.2, 0.5)) if rng.random() < _BURST_ODDS else 0
    return usual, extra, rng.randrange(MS_PER_DAY - _BURST_MS)


def _rhythm(peak_hour: int) -> list[float]:
    return list(
        accumulate(1 + 0.9 * math.cos((hour - peak_hour) * math.pi / 12) for hour in range(24))
    )


def _pause(rng: Random, template: Template, end: int) -> list[Span]:
    if rng.random() >= _PAUSE_ODDS:
        return []
    length = min(int(rng.expovariate(1 / _MEAN_PAUSE_MS)), _LONGEST_PAUSE_MS)
    return [Span(end, end + length, int(template.disk_mib * rng.uniform(0.01, 0.06)))]
