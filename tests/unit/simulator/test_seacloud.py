from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox_exporter.simulator.usage import Usage

MONTH = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp() * 1000)
TODAY = int(datetime(2026, 9, 16, tzinfo=UTC).timestamp() * 1000)
NOW = int(datetime(2026, 9, 16, 15, 20, 30, 500_000, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000
SUMMARY = "/sandboxes/usage/summary"


def assert_is(answer: dict[str, Any], usage: Usage) -> None:
    """The answer's totals are exactly this usage."""
    assert answer["vcpu_hours"] == usage.vcpu_hours
    assert answer["ram_gb_hours"] == usage.ram_gb_hours
    assert answer["data_transfer_gb"] == usage.data_transfer_gb
    assert answer["usage_costs_usd"] == usage.cost_usd


def test_summary_is_of_the_current_month_by_default(simulator: Any) -> None:
    """Totals since the month began, levels of this moment, and the window in ms."""
    answer = simulator.seacloud(SUMMARY)
    assert_is(answer, simulator.fleet.usage(MONTH, NOW))
    assert answer["usage_costs_usd"] > 0
    assert answer["running_sandboxes"] == simulator.fleet.running(NOW) > 0
    assert answer["storage_capacity_gb"] == simulator.fleet.paused_mib(NOW) / 1024 > 0
    assert (answer["start_time"], answer["end_time"]) == (MONTH, NOW // 1000 * 1000)


def test_summary_of_today(simulator: Any) -> None:
    """Today begins at midnight UTC."""
    answer = simulator.seacloud(SUMMARY, period="today")
    assert_is(answer, simulator.fleet.usage(TODAY, NOW))
    assert answer["start_time"] == TODAY


def test_end_of_an_explicit_window_is_inclusive(simulator: Any) -> None:
    """The last ms counts, and is echoed cut to whole seconds."""
    answer = simulator.seacloud(SUMMARY, start_time=TODAY, end_time=TODAY + HOUR - 1)
    assert_is(answer, simulator.fleet.usage(TODAY, TODAY + HOUR))
    assert (answer["start_time"], answer["end_time"]) == (TODAY, TODAY + HOUR - 1000)


def test_no_window_reaches_beyond_now(simulator: Any) -> None:
    """What has not happened yet is not in any total."""
    answer = simulator.seacloud(SUMMARY, start_time=TODAY, end_time=NOW + 24 * HOUR)
    assert_is(answer, simulator.fleet.usage(TODAY, NOW))
    future = simulator.seacloud(SUMMARY, start_time=NOW + HOUR, end_time=NOW + 2 * HOUR)
    assert future["vcpu_hours"] == 0


@pytest.mark.parametrize(
    "window",
    [
        {"start_at": TODAY, "end_at": TODAY + HOUR},
        {"start_time": TODAY // 1000, "end_time": (TODAY + HOUR) // 1000},
        {"start_at": TODAY // 1000, "end_time": TODAY + HOUR, "period": "today"},
    ],
)
def test_aliases_and_seconds_mean_the_same(simulator: Any, window: dict[str, int]) -> None:
    """An explicit window wins over a period."""
    expected = simulator.seacloud(SUMMARY, start_time=TODAY, end_time=TODAY + HOUR)
    assert simulator.seacloud(SUMMARY, **window) == expected


def test_template_filter(simulator: Any) -> None:
    """Empty and `all` mean every template; an unknown one is not found."""
    one = simulator.seacloud(SUMMARY, template_id=simulator.busy_id)
    assert_is(one, simulator.fleet.usage(MONTH, NOW, simulator.busy_id))
    everything = simulator.seacloud(SUMMARY)
    assert simulator.seacloud(SUMMARY, template_id="all") == everything
    assert simulator.seacloud(SUMMARY, template_id="") == everything
    assert simulator.refusal(SUMMARY, template_id="tpl-x") == (404, {"error": "not found"})


@pytest.mark.parametrize(
    ("path", "params", "details"),
    [
        (SUMMARY, {"period": "week"}, "period must be today or current_month"),
        (SUMMARY, {"start_time": 5}, "start_time and end_time must be given together"),
        (SUMMARY, {"start_time": 9, "end_time": 8}, "end_time must not be before start_time"),
        (SUMMARY, {"start_time": "x", "end_time": 8}, "start_time must be Unix milliseconds"),
        (SUMMARY, {"start_time": 1, "end_time": -8}, "end_time must be Unix milliseconds"),
        ("/sandboxes/usage/costs", {"month": "2026-13"}, "month must be YYYY-MM"),
        ("/sandboxes/usage/costs", {"month": "0000-01"}, "month must be YYYY-MM"),
        ("/templates", {"limit": 101}, "limit must be 0 to 100"),
        ("/templates", {"limit": "ten"}, "limit must be an integer of 0 or more"),
        ("/templates", {"offset": -1}, "offset must be an integer of 0 or more"),
        ("/templates", {"visibility": "mine"}, "visibility must be public or team"),
    ],
)
def test_bad_parameters_are_refused_in_the_vendors_shape(
    simulator: Any, path: str, params: dict[str, Any], details: str
) -> None:
    """400 with code, message, error and the request's id."""
    status, body = simulator.refusal(path, **params)
    assert status == 400
    assert body.pop("request_id")
    assert body == {
        "code": 10001,
        "message": "error",
        "error": {"code": "INVALID_REQUEST", "details": details},
    }


def test_storage_is_told_in_strings_of_mib(simulator: Any) -> None:
    """10 GiB are free."""
    used = simulator.fleet.paused_mib(NOW)
    answer = simulator.seacloud("/sandboxes/usage/storage/realtime")
    assert answer == {"storage_mib": str(used), "free_storage_mib": str(max(0, 10240 - used))}


def test_costs_of_the_current_month_agree_with_the_summary(simulator: Any) -> None:
    """Day by day up to today, adding up to the month."""
    answer = simulator.seacloud("/sandboxes/usage/costs")
    assert (answer["cycle_type"], answer["month"]) == ("day", "2026-09")
    assert answer["current_value_usd"] == simulator.seacloud(SUMMARY)["usage_costs_usd"]
    days = answer["usages"]
    assert [day["date"] for day in days] == [f"2026-09-{number:02d}" for number in range(1, 17)]
    assert sum(day["amount"] for day in days) == pytest.approx(answer["current_value_usd"])
    assert all(day["vcpu"] > 0 and day["ram"] > 0 for day in days)
    assert any(day["storage"] > 0 for day in days)


def test_costs_of_other_months_and_of_a_template(simulator: Any) -> None:
    """A closed month is whole, one to come is empty."""
    closed = simulator.seacloud(
        "/sandboxes/usage/costs", month="2026-08", template_id=simulator.busy_id
    )
    august = int(datetime(2026, 8, 1, tzinfo=UTC).timestamp() * 1000)
    expected = simulator.fleet.usage(august, MONTH, simulator.busy_id).cost_usd
    assert closed["current_value_usd"] == expected
    assert len(closed["usages"]) == 31
    future = simulator.seacloud("/sandboxes/usage/costs", month="2026-10")
    assert (future["current_value_usd"], future["usages"]) == (0, [])


def test_templates_come_as_a_bare_array_page_by_page(simulator: Any) -> None:
    """The vendor's clients read an array."""
    every = simulator.seacloud("/templates")
    assert len(every) == 12
    pages = [simulator.seacloud("/templates", limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [item for page in pages for item in page] == every
    assert simulator.seacloud("/templates", limit=5, offset=12) == []
    busy = next(item for item in every if item["templateID"] == simulator.busy_id)
    template = simulator.fleet.history(simulator.busy_id).template
    assert busy["cpuCount"] == template.vcpus
    assert busy["memoryMB"] == template.memory_mib
    assert busy["spawnCount"] > 0
    assert busy["lastSpawnedAt"].startswith("2026-09-16T")
    idle = [item for item in every if item["spawnCount"] == 0]
    assert [item["lastSpawnedAt"] for item in idle] == [None, None, None]


def test_visibility_splits_the_templates(simulator: Any) -> None:
    """Each template is either public or the team's."""
    public = simulator.seacloud("/templates", visibility="public")
    team = simulator.seacloud("/templates", visibility="team")
    assert len(public) + len(team) == 12
    assert all(item["public"] for item in public)
    assert not any(item["public"] for item in team)


def test_limits_tell_what_is_taken(simulator: Any) -> None:
    """The same for user and project."""
    answer = simulator.seacloud("/usage/limits")
    running = simulator.fleet.running(NOW)
    assert answer["runtime"] == {"maxRuntimeSeconds": 3600}
    limit = answer["project"]["limits"]["running"]
    assert (limit["used"], limit["limit"] - limit["remaining"]) == (running, running)
    assert answer["project"]["id"] == "proj-prod"
    assert answer["user"]["usage"]["running"] == running
