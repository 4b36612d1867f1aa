from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from sandbox_exporter.client import Client
from sandbox_exporter.errors import AnswerError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import GIB, MIB, Field
from sandbox_exporter.vendors.base import Trend
from sandbox_exporter.vendors.seacloud.history import SeaCloudHistory

MARCH = Month(2025, 3)
WINDOW = Window(MARCH, MARCH.start, MARCH.start + 180)
MS = MARCH.start * 1000

OUTSIDE = (
    "points[].timestamp: not the start of a UTC minute in the window asked for, "
    "which starts at 2025-03-01T00:00:00+00:00"
)


class Vendor:
    """Answers every call alike and remembers it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []

    async def get(self, endpoint: str, path: str, params: Mapping[str, Any]) -> object:
        self.asked.append((endpoint, path, params))
        return self.answer


def _history(answer: object) -> tuple[SeaCloudHistory, Vendor]:
    vendor = Vendor(answer)
    return SeaCloudHistory(cast(Client, vendor)), vendor


def _trend(history: SeaCloudHistory, field: Field) -> Trend:
    return next(trend for trend in history.trends if field in trend.fields)


def _points(field: Field, answer: object, window: Window = WINDOW) -> list[float]:
    history, _ = _history(answer)
    return _fetch(_trend(history, field), window, None)


def _fetch(trend: Trend, window: Window, template_id: str | None) -> list[float]:
    async def fetch() -> Sequence[float]:
        return await trend.fetch(trend.cycles[0], window, template_id)

    return list(asyncio.run(fetch()))


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        (Field.VCPU_SECONDS, 3600),
        (Field.MEMORY_BYTE_SECONDS, 3600 * GIB),
        (Field.DATA_TRANSFER_BYTES, 1e9),
        (Field.RUNNING_SANDBOXES, 1),
    ],
)
def test_points_are_put_into_their_buckets(field: Field, unit: float) -> None:
    """In base units, nan where there is no point or no value; seconds are taken, too."""
    points = [
        {"timestamp": MS + 60_000, "value": "0.0333"},
        {"timestamp": MARCH.start, "value": 2},
        {"timestamp": MS + 120_000, "value": None},
    ]
    values = _points(field, {"points": points})
    assert values[:2] == [2 * unit, pytest.approx(0.0333 * unit)]
    assert math.isnan(values[2])


def test_storage_is_told_in_mebibytes_by_the_hour() -> None:
    """It is both what is paused and what is used."""
    window = Window(MARCH, MARCH.start, MARCH.start + 7200)
    points = [{"timestamp": MS + 3_600_000, "value": "1.5"}]
    values = _points(Field.STORAGE_USED_BYTES, {"points": points}, window)
    assert values[1] == 1.5 * MIB
    assert math.isnan(values[0])


def test_trends_ask_for_an_inclusive_window_of_a_template() -> None:
    """As the vendor's documentation has it."""
    history, vendor = _history({"points": None})
    values = _fetch(_trend(history, Field.VCPU_SECONDS), WINDOW, "tpl")
    assert len(values) == 3
    assert vendor.asked == [
        (
            "vcpu_hours",
            "/sandboxes/usage/runtime/vcpu-hours",
            {
                "cycle_type": "minute",
                "start_time": MS,
                "end_time": MS + 179_999,
                "template_id": "tpl",
            },
        )
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], "answer: expected an object, got an array"),
        ({}, "points: expected an array, got nothing"),
        ({"points": [1]}, "points[]: expected an object, got 1"),
        ({"points": [{"value": "1"}]}, "points[].timestamp: expected a number, got nothing"),
        (
            {"points": [{"timestamp": MS, "value": "x"}]},
            "points[].value: expected a number, got text",
        ),
        (
            {"points": [{"timestamp": MS + 30_000, "value": "1"}]},
            OUTSIDE,
        ),
        (
            {"points": [{"timestamp": MS + 180_000, "value": "1"}]},
            OUTSIDE,
        ),
    ],
)
def test_other_shapes_are_named(answer: object, message: str) -> None:
    """What does not fit is an error, never a guess."""
    with pytest.raises(AnswerError) as raised:
        _points(Field.VCPU_SECONDS, answer)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "day",
    [
        {"date": "2025-03-02"},
        {"day": "2025-03-02T00:00:00Z"},
        {"timestamp": 1740873600},
        {"time": "1740873600000"},
    ],
)
def test_days_of_costs_may_have_any_of_the_known_names(day: Mapping[str, object]) -> None:
    """ISO days, Unix seconds and milliseconds; days without an amount are left out."""
    history, vendor = _history({"usages": [{**day, "amount": "1.25"}, {**day, "amount": None}]})
    costs = asyncio.run(history.daily_costs(MARCH, None))
    assert costs == {1740873600: 1.25}
    assert vendor.asked[0][2] == {"month": "2025-03"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"usages": None}, "usages: expected an array, got nothing"),
        (
            {"usages": [{"amount": 1}]},
            "usages[0]: expected one of date, day, timestamp, time",
        ),
        (
            {"usages": [{"amount": 1, "date": "2-3-4-5"}]},
            "usages[0].date: expected an ISO day, got text",
        ),
    ],
)
def test_other_costs_are_named(answer: object, message: str) -> None:
    """The day's name is not documented, so an unknown one must show."""
    history, _ = _history(answer)
    with pytest.raises(AnswerError) as raised:
        asyncio.run(history.daily_costs(MARCH, None))
    assert str(raised.value) == message


def test_totals_are_those_of_the_summary() -> None:
    """Without the levels, which are of this moment whatever the window."""
    history, vendor = _history(
        {"vcpu_hours": 2, "usage_costs_usd": "0.5", "running_sandboxes": 3, "ram_gb_hours": None}
    )
    totals = asyncio.run(history.totals(WINDOW, "tpl"))
    assert totals == {Field.VCPU_SECONDS: 7200, Field.COST_USD: 0.5}
    assert vendor.asked[0][0] == "template_summary"
