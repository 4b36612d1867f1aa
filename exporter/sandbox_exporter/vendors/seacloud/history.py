"""SeaCloud's past: runtime trends, paused storage and daily costs.

Source: the vendor's usage page. A point's value is the usage within its bucket, with 4 decimals,
and its timestamp the bucket's start; that, the shape of storage/stats and the name of the day in
`usages[]` are inferred or unknown, so whatever does not fit is a `schema` error.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime

from sandbox_exporter.client import Client
from sandbox_exporter.errors import AnswerError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import BILLING_UNITS, KINDS, MIB, Field, Kind, Readings
from sandbox_exporter.vendors.base import Cycle, Trend
from sandbox_exporter.vendors.parse import amount, mapping, unexpected
from sandbox_exporter.vendors.seacloud.provider import read_summary

_HALF_DIGIT = 0.00005
_RUNTIME_CYCLES = (Cycle.MINUTE, Cycle.DAY)
_STORAGE_CYCLES = (Cycle.HOUR, Cycle.DAY)
_RUNTIME = {
    "vcpu-hours": Field.VCPU_SECONDS,
    "ram-hours": Field.MEMORY_BYTE_SECONDS,
    "data-transfer": Field.DATA_TRANSFER_BYTES,
    "running-sandboxes": Field.RUNNING_SANDBOXES,
}
_DAY_KEYS = ("date", "day", "timestamp", "time")
_MILLISECONDS_FROM = 1e11
"""Instants from this on are milliseconds, smaller ones seconds."""


class SeaCloudHistory:
    """The past of a SeaCloud account."""

    cost_rounding = 0.005

    def __init__(self, client: Client) -> None:
        self._client = client
        self.trends: Sequence[Trend] = (
            *(self._runtime(name, field) for name, field in _RUNTIME.items()),
            Trend(
                "storage_stats",
                (Field.PAUSED_STORAGE_BYTES, Field.STORAGE_USED_BYTES),
                _STORAGE_CYCLES,
                _HALF_DIGIT * MIB,
                self._fetcher("storage_stats", "/sandboxes/usage/storage/stats", MIB),
                by_template=False,
                optional=True,
            ),
        )

    async def totals(self, window: Window, template_id: str | None) -> Readings:
        """The summary of an explicit window, without the levels of this moment."""
        endpoint = "summary" if template_id is None else "template_summary"
        readings = await read_summary(self._client, endpoint, window, template_id)
        return {f: value for f, value in readings.items() if KINDS[f] is Kind.MONTH_TOTAL}

    async def daily_costs(self, month: Month, template_id: str | None) -> Mapping[int, float]:
        """The amount of each day that the cost report lists."""
        params = {"month": str(month)} | _template(template_id)
        answer = mapping(
            await self._client.get("costs", "/sandboxes/usage/costs", params), "answer"
        )
        items = answer.get("usages")
        if not isinstance(items, list):
            raise unexpected("usages", "an array", items)
        costs: dict[int, float] = {}
        for index, item in enumerate(items):
            path = f"usages[{index}]"
            usage = mapping(item, path)
            cost = amount(usage, "amount", path)
            if cost is not None:
                costs[_day(usage, path)] = cost
        return costs

    def _runtime(self, name: str, field: Field) -> Trend:
        unit = BILLING_UNITS.get(field, 1.0)
        fetch = self._fetcher(name.replace("-", "_"), f"/sandboxes/usage/runtime/{name}", unit)
        return Trend(name.replace("-", "_"), (field,), _RUNTIME_CYCLES, _HALF_DIGIT * unit, fetch)

    def _fetcher(
        self, endpoint: str, path: str, unit: float
    ) -> Callable[[Cycle, Window, str | None], Awaitable[Sequence[float]]]:
        async def fetch(cycle: Cycle, window: Window, template_id: str | None) -> Sequence[float]:
            params: dict[str, str | int] = {
                "cycle_type": cycle.name.lower(),
                "start_time": window.start * 1000,
                "end_time": window.end * 1000 - 1,
            }
            answer = await self._client.get(endpoint, path, params | _template(template_id))
            return _points(mapping(answer, "answer"), cycle, window, unit)

        return fetch


def _template(template_id: str | None) -> dict[str, str | int]:
    return {} if template_id is None else {"template_id": template_id}


def _points(
    answer: Mapping[str, object], cycle: Cycle, window: Window, unit: float
) -> Sequence[float]:
    """The points put into the window's buckets, in base units."""
    values = [math.nan] * ((window.end - window.start) // cycle)
    points = answer.get("points")
    if points is None and "points" in answer:
        return values
    if not isinstance(points, list):
        raise unexpected("points", "an array", points)
    for item in points:
        point = mapping(item, "points[]")
        value = amount(point, "value", "points[]")
        moment = amount(point, "timestamp", "points[]")
        if moment is None:
            raise unexpected("points[].timestamp", "a number", moment)
        if moment > _MILLISECONDS_FROM:
            moment /= 1000
        index, beside = divmod(moment - window.start, cycle)
        if beside or not 0 <= index < len(values):
            start = datetime.fromtimestamp(window.start, UTC).isoformat()
            raise AnswerError(
                f"points[].timestamp: not the start of a UTC {cycle.name.lower()} "
                f"in the window asked for, which starts at {start}"
            )
        if value is not None:
            values[int(index)] = value * unit
    return values


def _day(item: Mapping[str, object], path: str) -> int:
    """The Unix second of a UTC day's start, under whichever name the vendor gives it."""
    for key in _DAY_KEYS:
        value = item.get(key)
        if value is None:
            continue
        if isinstance(value, str) and "-" in value:
            try:
                moment = datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()
            except ValueError:
                raise unexpected(f"{path}.{key}", "an ISO day", value) from None
        else:
            moment = amount(item, key, path) or 0.0
            moment = moment / 1000 if moment > _MILLISECONDS_FROM else moment
        return int(moment // Cycle.DAY * Cycle.DAY)
    raise AnswerError(f"{path}: expected one of {', '.join(_DAY_KEYS)}")
