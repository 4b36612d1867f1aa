from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

TODAY = int(datetime(2026, 9, 16, tzinfo=UTC).timestamp() * 1000)
NOW = int(datetime(2026, 9, 16, 15, 20, 30, 500_000, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
VCPU = "/sandboxes/usage/runtime/vcpu-hours"
STATS = "/sandboxes/usage/storage/stats"


def trend(simulator: Any, path: str, cycle: str, start: int, end: int, **params: str) -> Any:
    """A trend of [start, end)."""
    return simulator.seacloud(path, cycle_type=cycle, start_time=start, end_time=end - 1, **params)


@pytest.mark.parametrize(
    ("name", "unit", "attribute"),
    [
        ("vcpu-hours", "hours", "vcpu_hours"),
        ("ram-hours", "gb_hours", "ram_gb_hours"),
        ("data-transfer", "gb", "data_transfer_gb"),
    ],
)
def test_points_are_the_usage_of_their_minute(
    simulator: Any, name: str, unit: str, attribute: str
) -> None:
    """Strings of 4 decimals; `current_value` is the window's total as a number."""
    path = f"/sandboxes/usage/runtime/{name}"
    answer = trend(simulator, path, "minute", TODAY - DAY, TODAY)
    assert answer["current_unit"] == unit
    assert (answer["start_time"], answer["end_time"]) == (TODAY - DAY, TODAY - 1000)
    stamps = [point["timestamp"] for point in answer["points"]]
    assert stamps == list(range(TODAY - DAY, TODAY, MINUTE))
    for index in (0, 700, 1439):
        usage = simulator.fleet.usage(stamps[index], stamps[index] + MINUTE)
        assert answer["points"][index]["value"] == f"{getattr(usage, attribute):.4f}"
    total = getattr(simulator.fleet.usage(TODAY - DAY, TODAY), attribute)
    assert answer["current_value"] == round(total, 4) > 0
    assert "timeline" not in answer


def test_days_of_one_template(simulator: Any) -> None:
    """31 days at most, each from midnight UTC to the next."""
    answer = trend(simulator, VCPU, "day", TODAY - 31 * DAY, TODAY, template_id=simulator.busy_id)
    assert len(answer["points"]) == 31
    for point in answer["points"]:
        start = point["timestamp"]
        usage = simulator.fleet.usage(start, start + DAY, simulator.busy_id)
        assert point["value"] == f"{usage.vcpu_hours:.4f}"


def test_points_end_with_now(simulator: Any) -> None:
    """The last bucket holds what there is of it; none lies in the future."""
    answer = trend(simulator, VCPU, "minute", TODAY, TODAY + DAY)
    last = answer["points"][-1]
    assert last["timestamp"] == NOW // MINUTE * MINUTE
    usage = simulator.fleet.usage(last["timestamp"], NOW)
    assert last["value"] == f"{usage.vcpu_hours:.4f}"
    future = trend(simulator, VCPU, "minute", NOW + HOUR, NOW + 2 * HOUR)
    assert (future["points"], future["current_value"]) == ([], 0)


def test_buckets_are_cut_to_a_window_that_is_not_aligned(simulator: Any) -> None:
    """Only usage within the window counts."""
    start = TODAY + 12 * HOUR + 20_000
    answer = trend(simulator, VCPU, "minute", start, start + MINUTE)
    assert [point["timestamp"] for point in answer["points"]] == [start - 20_000, start + 40_000]
    usage = simulator.fleet.usage(start, start - 20_000 + MINUTE)
    assert answer["points"][0]["value"] == f"{usage.vcpu_hours:.4f}"


def test_running_sandboxes_are_a_mean(simulator: Any) -> None:
    """`current_value` is what runs at the window's end."""
    path = "/sandboxes/usage/runtime/running-sandboxes"
    answer = trend(simulator, path, "minute", TODAY, TODAY + 12 * HOUR)
    at = TODAY + 11 * HOUR
    point = next(point for point in answer["points"] if point["timestamp"] == at)
    mean = simulator.fleet.usage(at, at + MINUTE).runtime_ms / MINUTE
    assert point["value"] == f"{mean:.4f}"
    assert answer["current_value"] == simulator.fleet.running(TODAY + 12 * HOUR)


def test_storage_stats_by_the_hour(simulator: Any) -> None:
    """Mean MiB of paused sandboxes, in points like the other trends."""
    answer = trend(simulator, STATS, "hour", TODAY, TODAY + 12 * HOUR)
    assert answer["cycle_type"] == "hour"
    assert len(answer["points"]) == 12
    mean = simulator.fleet.usage(TODAY, TODAY + HOUR).storage_mib_ms / HOUR
    assert answer["points"][0] == {"timestamp": TODAY, "value": f"{mean:.4f}"}
    assert answer["current_value"] == simulator.fleet.paused_mib(TODAY + 12 * HOUR)


@pytest.mark.parametrize(
    ("path", "cycle", "length", "details"),
    [
        (VCPU, "minute", DAY + 2, "the window of cycle_type=minute must not exceed 24 hours"),
        (STATS, "hour", DAY + 2, "the window of cycle_type=hour must not exceed 24 hours"),
        (VCPU, "day", 31 * DAY + 2, "the window of cycle_type=day must not exceed 31 days"),
        (VCPU, "day", DAY - 1000, "the window of cycle_type=day must be 1 day at least"),
        (VCPU, "hour", HOUR, "cycle_type must be minute or day"),
        (STATS, "minute", HOUR, "cycle_type must be hour or day"),
        (VCPU, "", HOUR, "cycle_type must be minute or day"),
    ],
)
def test_windows_have_limits(
    simulator: Any, path: str, cycle: str, length: int, details: str
) -> None:
    """Each cycle has its own; the cycle itself is required."""
    status, body = simulator.refusal(
        path, cycle_type=cycle, start_time=TODAY - length, end_time=TODAY - 1
    )
    assert (status, body["error"]["details"]) == (400, details)


@pytest.mark.parametrize(("cycle", "length"), [("minute", DAY), ("day", DAY), ("day", 31 * DAY)])
def test_the_longest_and_shortest_windows_are_allowed(
    simulator: Any, cycle: str, length: int
) -> None:
    """Whether the end is said as the last ms, in seconds, or as the next day's start."""
    start = TODAY - length
    exact = trend(simulator, VCPU, cycle, start, TODAY)
    seconds = simulator.seacloud(
        VCPU, cycle_type=cycle, start_time=start // 1000, end_time=TODAY // 1000 - 1
    )
    assert [p["timestamp"] for p in seconds["points"]] == [p["timestamp"] for p in exact["points"]]
    simulator.seacloud(VCPU, cycle_type=cycle, start_time=start, end_time=TODAY)


def test_window_is_required(simulator: Any) -> None:
    """Trends have no default window, and unknown templates none at all."""
    status, body = simulator.refusal(VCPU, cycle_type="day")
    assert (status, body["error"]["details"]) == (400, "start_time and end_time are required")
    status, body = simulator.refusal(
        VCPU, cycle_type="day", start_time=TODAY - DAY, end_time=TODAY, template_id="tpl-x"
    )
    assert (status, body) == (404, {"error": "not found"})
