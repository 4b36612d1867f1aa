"""SeaCloud's trends: runtime and storage, bucket by bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from sandbox_exporter.simulator.fleet import Level
from sandbox_exporter.simulator.usage import MIB_PER_GIB, MS_PER_HOUR
from sandbox_exporter.vendors.seacloud.simulator import params as asked
from sandbox_exporter.vendors.seacloud.simulator.answers import Question

_BUCKET_MS = {"minute": 60_000, "hour": MS_PER_HOUR, "day": 24 * MS_PER_HOUR}
_RUNTIME_CYCLES = {"minute": 1, "day": 31}
_STORAGE_CYCLES = {"hour": 1, "day": 31}


@dataclass(frozen=True, slots=True)
class Trend:
    """A quantity over time: a level, and the unit in which its integral or mean is told."""

    level: Level
    unit: str
    per_area: float | None
    """Level times ms in one `unit`. None for a mean: a point is then the bucket's mean level."""
    cycles: Mapping[str, int]
    """The longest window of each cycle, in days."""


TRENDS: Mapping[str, Trend] = {
    "vcpu-hours": Trend(Level.VCPUS, "hours", MS_PER_HOUR, _RUNTIME_CYCLES),
    "ram-hours": Trend(Level.MEMORY_MIB, "gb_hours", MIB_PER_GIB * MS_PER_HOUR, _RUNTIME_CYCLES),
    "running-sandboxes": Trend(Level.SANDBOXES, "sandboxes", None, _RUNTIME_CYCLES),
    "data-transfer": Trend(Level.TRANSFER_BYTES, "gb", 1e12, _RUNTIME_CYCLES),
}
STORAGE_TREND = Trend(Level.PAUSED_MIB, "mib", None, _STORAGE_CYCLES)


def answer(trend: Trend) -> Callable[[Question], object]:
    """The handler of one trend's route."""

    def handler(question: Question) -> object:
        return _answer(trend, question)

    return handler


def _answer(trend: Trend, question: Question) -> object:
    """Buckets lie on whole UTC minutes, hours or days and are cut to the window and to now.

    `current_value` is the window's total; for a mean it is the level at the window's end.
    """
    cycle, window = asked.cycle_window(question.params, trend.cycles)
    template_id = question.template_id
    end = min(window.end, question.now_ms)
    width = _BUCKET_MS[cycle]
    first = window.start // width * width if window.start < end else end
    buckets = range(first, end, width)
    edges = [window.start, *buckets[1:], end] if buckets else []
    areas = question.fleet.areas(trend.level, edges, template_id) if buckets else []
    points = [
        {"timestamp": bucket, "value": f"{area / (trend.per_area or after - before):.4f}"}
        for bucket, (before, after), area in zip(buckets, pairwise(edges), areas, strict=True)
    ]
    return {
        "cycle_type": cycle,
        **window.echo,
        "current_value": _current(trend, question, end, areas),
        "current_unit": trend.unit,
        "points": points,
    }


def _current(trend: Trend, question: Question, end: int, areas: list[int]) -> float:
    if trend.per_area is not None:
        return round(sum(areas) / trend.per_area, 4)
    if trend.level is Level.SANDBOXES:
        return question.fleet.running(end, question.template_id)
    return question.fleet.paused_mib(end, question.template_id)
