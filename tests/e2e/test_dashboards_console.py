"""The usage dashboard's charts, point by point, against the endpoints that feed the console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import PATIENCE
from tests.e2e.grafana import Choice, Span, interpolate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
USAGE = json.loads((ROOT / "dashboards" / "sandbox-usage.json").read_text())
MINUTE, HOUR, DAY = 60, 3600, 86400
STEPS = {MINUTE: "1m", HOUR: "1h", DAY: "1d"}
TOLERANCE = {MINUTE: 0.0, HOUR: 0.005, DAY: 0.002}
"""Relative, beside what the vendor's four decimals leave open."""
ROUNDING = 0.00005
ZERO_ENDS = 7 * MINUTE
"""How long after a month's beginning the counters still close the month before."""


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


START, MARCH, END = _at("2025-02-26"), _at("2025-03-01"), _at("2025-03-04T12:00")
TRENDS = {
    "vCPU hours": ("vcpu-hours", 1.0, 1),
    "RAM GB-hours": ("ram-hours", 1.0, 1),
    "Data transfer": ("data-transfer", 1e9, 1),
    "Running sandboxes": ("running-sandboxes", 1.0, 0),
}
"""By panel: the vendor's trend, how much of the panel's unit is one of the trend's, and whether
the buckets of an hour add up (or are averaged)."""

CARDS = (
    ("vCPU hours", "vcpu_hours", 1),
    ("RAM GB-hours", "ram_gb_hours", 1),
    ("Data transfer", "data_transfer_gb", 10**9),
    ("Cost", "usage_costs_usd", 1),
)
"""By card: the summary's field, and how much of the card's unit is one of the field's."""

Points = dict[int, float]


class Console:
    """The simulated vendor, as the console asks it, and Prometheus with the same days."""

    def __init__(self, vendor: httpx.Client, get: Callable[..., Any]) -> None:
        self.vendor = vendor
        self._get = get
        listed = vendor.get("/templates").json()
        self.template = max(listed, key=lambda entry: entry["spawnCount"])["templateID"]

    def trend(self, name: str, cycle: str, start: int, end: int, **more: str) -> Points:
        """A trend's points, by the second at which their bucket begins."""
        window = {"start_time": str(start * 1000), "end_time": str(end * 1000 - 1)}
        asked = {"cycle_type": cycle, **window, **more}
        answer = self.vendor.get(f"/sandboxes/usage/{name}", params=asked).json()
        return {point["timestamp"] // 1000: float(point["value"]) for point in answer["points"]}

    def chart(self, title: str, ref: str, span: Span, step: int, template: Choice) -> Points:
        """What a panel of the dashboard shows, by time."""
        panel = next(
            panel
            for panel in USAGE["panels"]
            if panel["title"] == title and panel["type"] == "timeseries"
        )
        target = next(target for target in panel["targets"] if target["refId"] == ref)
        asked = {"start": span.start, "end": span.end - step, "step": step}
        found = self._ask("query_range", target, span, step, template, asked)
        return {int(at): float(value) for at, value in found["values"]}

    def card(self, row: str, title: str, span: Span) -> float:
        """The number on a card of a row."""
        titles = [panel["title"] for panel in USAGE["panels"]]
        place = titles.index(title, titles.index(row))
        target = USAGE["panels"][place]["targets"][0]
        found = self._ask("query", target, span, MINUTE, ".*", {"time": span.end})
        return float(found["value"][1])

    def _ask(
        self,
        path: str,
        target: dict[str, Any],
        span: Span,
        step: int,
        template: Choice,
        asked: dict[str, float],
    ) -> dict[str, Any]:
        chosen: dict[str, Choice] = {"provider": ".*", "account": ".*", "template": template}
        expr = interpolate(target["expr"], span, step, chosen)
        answer = self._get(f"/api/v1/{path}", params={"query": expr, **asked}).json()
        (series,) = answer["data"]["result"]
        result: dict[str, Any] = series
        return result


@pytest.fixture
def console(
    start: Callable[..., Any],
    prometheus: Callable[..., Any],
    write_blocks: Callable[[Path], None],
    tmp_path: Path,
) -> Iterator[Console]:
    """Six days around a month's turn, by the minute, backfilled into Prometheus."""
    command = [sys.executable, "-m", "sandbox_exporter", "simulate", "--templates", "4"]
    simulator = start([*command, "--listen", "127.0.0.1:0"], 0, "/_sim/clock")
    clock = {"now": END, "speed": 0}
    httpx.put(f"{simulator.url}/_sim/clock", json=clock, trust_env=False, timeout=PATIENCE)
    base_url = f"{simulator.url}/api/v1/sandbox"
    (tmp_path / "accounts.yml").write_text(
        f"accounts: [{{name: prod, provider: seacloud, base_url: {base_url}, "
        "api_key: {env: KEY}, max_requests_per_minute: 6000}]"
    )
    backfill = [sys.executable, "-m", "sandbox_exporter", "backfill", "--resolution", "minute"]
    backfill += ["--config.file", "accounts.yml", "--output", "history.om"]
    backfill += ["--from", str(datetime.fromtimestamp(START, UTC)), "--to", "2025-03-04T12:00"]
    key = "sim-prod-key"
    subprocess.run(backfill, cwd=tmp_path, env=os.environ | {"KEY": key}, check=True)
    write_blocks(tmp_path / "history.om")
    server = prometheus()
    with httpx.Client(
        base_url=base_url, headers={"X-API-Key": key}, trust_env=False, timeout=PATIENCE
    ) as vendor:
        yield Console(vendor, server.get)


def _assert_close(shown: Points, told: Points, step: int, what: str, rounding: float) -> None:
    """Every point that the vendor tells of is shown, and close enough."""
    assert told
    differences = {at: abs(shown[at] - value) for at, value in told.items()}
    for at, value in told.items():
        allowed = value * TOLERANCE[step] + rounding
        assert differences[at] <= allowed, f"{what}, {at}: {shown[at]} instead of {value}"
    large = [differences[at] / value for at, value in told.items() if value > 0.1]
    print(f"{what} by {STEPS[step]}: {len(told)} points, {max(differences.values()):.6f} at most,")
    print(f"  {max(large, default=0.0):.6%} of values above 0.1")


def _by_hour(minutes: Points, adds_up: int) -> Points:
    hours: dict[int, list[float]] = {}
    for at, value in minutes.items():
        hours.setdefault(at // HOUR * HOUR, []).append(value)
    return {at: sum(values) / (1 if adds_up else len(values)) for at, values in hours.items()}


def test_trends_are_the_consoles(console: Console) -> None:
    """vCPU, RAM, transfer and running sandboxes by minute, hour and day, of all and of one."""
    for title, (name, unit, adds_up) in TRENDS.items():
        for choice, more in ((".*", {}), ([console.template], {"template_id": console.template})):
            trend = f"runtime/{name}"
            what = f"{title} of {'one template' if more else 'all'}"
            days = console.trend(trend, "day", START, END // DAY * DAY, **more)
            minutes: Points = {}
            for day in days:
                minutes |= console.trend(trend, "minute", day, day + DAY, **more)
            hours = _by_hour(minutes, adds_up)
            for step, told in ((MINUTE, minutes), (HOUR, hours), (DAY, days)):
                shown: Points = {}
                for start in range(START, END // DAY * DAY, DAY):
                    span = Span(start, start + DAY)
                    shown |= console.chart(title, "A", span, step, choice)
                in_its_unit = {at: value / unit for at, value in shown.items()}
                rounding = 60 * ROUNDING if step == HOUR and adds_up else 2 * ROUNDING
                _assert_close(in_its_unit, _closed(told, step), step, what, rounding)


def _closed(told: Points, step: int) -> Points:
    """Without the minutes in which the counters still close a month."""
    if step != MINUTE:
        return told
    return {at: value for at, value in told.items() if not MARCH <= at < MARCH + ZERO_ENDS}


def test_storage_and_cost_are_the_consoles(console: Console) -> None:
    """Paused storage by hour and day, and cost by day on both sides of a month's turn."""
    hourly: Points = {}
    shown: Points = {}
    for day in range(START, END // DAY * DAY, DAY):
        hourly |= console.trend("storage/stats", "hour", day, day + DAY)
        shown |= console.chart("Storage over time", "A", Span(day, day + DAY), HOUR, ".*")
    _assert_close(_in_mib(shown), hourly, HOUR, "Paused storage", ROUNDING)
    whole = Span(START, END // DAY * DAY)
    daily = console.trend("storage/stats", "day", START, END // DAY * DAY)
    shown = console.chart("Storage over time", "A", whole, DAY, ".*")
    _assert_close(_in_mib(shown), daily, DAY, "Paused storage", ROUNDING)
    costs: Points = {}
    for month in ("2025-02", "2025-03"):
        told = console.vendor.get("/sandboxes/usage/costs", params={"month": month}).json()
        costs |= {_at(item["date"]): item["amount"] for item in told["usages"]}
    costs = {at: amount for at, amount in costs.items() if START <= at < END // DAY * DAY}
    shown = console.chart("Cost by day", "A", whole, DAY, ".*")
    _assert_close(shown, costs, DAY, "Cost by day", ROUNDING)


def _in_mib(points: Points) -> Points:
    return {at: value / 2**20 for at, value in points.items()}


def test_cards_are_the_consoles(console: Console) -> None:
    """The cards of today and of this month are the vendor's own summaries."""
    for row, period, start in (
        ("Today", "today", END // DAY * DAY),
        ("This month", "current_month", MARCH),
    ):
        asked = {"period": period}
        summary = console.vendor.get("/sandboxes/usage/summary", params=asked).json()
        for title, key, unit in CARDS:
            number = console.card(row, title, Span(start, END)) / unit
            assert number == pytest.approx(summary[key], rel=0.002), f"{title}, {row}"
