from __future__ import annotations

from typing import Any

import pytest

SUMMARY = "/sandboxes/usage/summary"


def test_clock_can_be_read_and_set(simulator: Any) -> None:
    """Everything the vendors say follows it."""
    before = simulator.control("GET", "/clock")
    assert (before["now"], before["speed"]) == (simulator.simulation.clock.now(), 0)
    after = simulator.control("PUT", "/clock", {"now": before["now"] + 3600, "speed": 0})
    assert after["now"] == before["now"] + 3600
    assert simulator.seacloud(SUMMARY)["end_time"] == int(after["now"]) * 1000
    assert simulator.control("PUT", "/clock", {"offset": -60})["offset"] == pytest.approx(
        -60, abs=5
    )


def test_ledger_is_what_the_summary_says(simulator: Any) -> None:
    """Exact, for the account and each busy template; levels at the end unless asked otherwise."""
    answer = simulator.seacloud(SUMMARY)
    window = {"start": answer["start_time"] / 1000, "end": simulator.simulation.clock.now()}
    ledger = simulator.control("GET", "/ledger", account="prod", **window)
    for name in (
        "vcpu_hours",
        "ram_gb_hours",
        "data_transfer_gb",
        "usage_costs_usd",
        "running_sandboxes",
        "storage_capacity_gb",
    ):
        assert ledger["account"][name] == answer[name]
        parts = sum(template[name] for template in ledger["templates"].values())
        assert parts == pytest.approx(answer[name])
    window["at"] = window["end"] - 86400
    earlier = simulator.control("GET", "/ledger", account="prod", **window)
    at = int(window["at"] * 1000)
    assert earlier["account"]["running_sandboxes"] == simulator.fleet.running(at)
    assert earlier["account"]["vcpu_hours"] == ledger["account"]["vcpu_hours"]


def test_ledger_of_dreadnode(simulator: Any) -> None:
    """A window's share and the totals at its end."""
    now = simulator.simulation.clock.now()
    ledger = simulator.control("GET", "/ledger", account="research", start=now - 86400, end=now)
    headers = {"X-API-Key": "sim-research-key"}
    answer = simulator.send("GET", "/api/v1/org/acme/sandboxes/usage", headers).json()
    assert int(ledger["total_runtime_seconds"]) == answer["total_runtime_seconds"]
    assert ledger["sessions_count"] == answer["sessions_count"]
    assert 0 < ledger["runtime_seconds"] < ledger["total_runtime_seconds"]
    assert 0 < ledger["sessions"] < ledger["sessions_count"]


def test_requests_are_counted_with_their_parameters(simulator: Any) -> None:
    """By account and route; controls are not among them."""
    simulator.seacloud(SUMMARY, period="today")
    simulator.seacloud(SUMMARY, template_id=simulator.busy_id)
    simulator.send("GET", "/api/v1/sandbox/templates")
    log = simulator.control("GET", "/requests")
    assert log["count"] == 3
    assert log["counts"] == {"": {"templates": 1}, "prod": {"summary": 1, "template_summary": 1}}
    only = simulator.control("GET", "/requests", account="prod", route="summary")
    assert only["count"] == 1
    assert only["requests"] == [
        {
            "at": simulator.simulation.clock.now(),
            "route": "summary",
            "account": "prod",
            "params": {"period": "today"},
        }
    ]
    simulator.control("DELETE", "/requests")
    assert simulator.control("GET", "/requests")["count"] == 0


def test_faults_are_set_listed_and_cleared(simulator: Any) -> None:
    """The fault's status, headers and body reach the client."""
    body = {"error": {"code": "QUOTA"}, "details": {"reason": "usage_limit"}}
    fault = {
        "kind": "status",
        "route": "summary",
        "account": "prod",
        "times": 1,
        "status": 429,
        "headers": {"Retry-After": "7"},
        "body": body,
    }
    assert simulator.control("PUT", "/faults", fault)[0]["taken"] == 0
    prod = {"X-API-Key": "sim-prod-key"}
    response = simulator.send("GET", f"/api/v1/sandbox{SUMMARY}", prod)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "7"
    assert response.json() == body
    assert simulator.control("GET", "/faults")[0]["taken"] == 1
    assert simulator.seacloud(SUMMARY)
    assert simulator.control("DELETE", "/faults", route="summary") == []


def test_a_status_has_the_vendors_own_body(simulator: Any) -> None:
    """Each vendor's shape of an error."""
    simulator.control("PUT", "/faults", {"kind": "status", "status": 503})
    status, body = simulator.refusal(SUMMARY)
    assert (status, body) == (503, {"code": 503, "message": "simulated fault"})
    response = simulator.send("GET", "/api/v1/org/acme/sandboxes/usage")
    assert response.json() == {
        "code": 503,
        "detail": "simulated fault",
        "type": "internal_error",
    }


def test_templates_appear_burst_vanish_and_are_reset(simulator: Any) -> None:
    """From now on, unless another moment is given."""
    path = "/accounts/prod/templates/tpl-new"
    now = simulator.simulation.clock.now()
    made = simulator.control("PUT", path, {"vcpus": 4, "sessions_per_day": 0})
    assert (made["vcpus"], made["memory_mib"]) == (4, 2048)
    listed = [item["templateID"] for item in simulator.seacloud("/templates")]
    assert listed[-1] == "tpl-new"
    burst = simulator.control("PUT", f"{path}/burst", {"at": now - 3600, "sandboxes": 2})
    assert burst["end"] - burst["start"] == 86_400_000
    answer = simulator.seacloud(SUMMARY, template_id="tpl-new")
    assert (answer["vcpu_hours"], answer["running_sandboxes"]) == (8, 2)
    simulator.control("DELETE", path, at=now - 10)
    assert len(simulator.seacloud("/templates")) == 12
    assert simulator.seacloud(SUMMARY, template_id="tpl-new")["vcpu_hours"] == 8
    simulator.control("DELETE", "/accounts/prod/changes")
    assert simulator.refusal(SUMMARY, template_id="tpl-new")[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("PUT", "/clock", {"speed": -1}, "speed: must be 0 or more"),
        ("PUT", "/clock", {"now": True}, "now: must be a number"),
        ("PUT", "/clock", {"time": 1}, "time: unknown, allowed are now, offset, speed"),
        ("PUT", "/clock", [], "the body must be a JSON object"),
        ("PUT", "/faults", {"kind": "reset"}, "kind: reset needs the simulator's own server"),
        ("PUT", "/faults", {}, "kind: must be text"),
        ("PUT", "/faults", {"kind": "null", "times": 1.5}, "times: must be a whole number"),
        ("PUT", "/faults", {"kind": "null", "status": 600}, "status: must be a whole number"),
        ("PUT", "/faults", {"kind": "null", "headers": {"a": 1}}, "headers: must be an object"),
        ("PUT", "/faults", {"kind": "odd"}, "kind: must be one of delay, status"),
        ("GET", "/ledger?account=prod&start=0&end=x", None, "end: must be a number"),
        ("GET", "/ledger?account=x&start=0&end=1", None, "account: not a simulated account"),
        ("PUT", "/accounts/x/templates/t", {}, "account: not a simulated account with templates"),
        ("PUT", "/accounts/prod/templates/t/burst", {}, "template_id: not a template"),
        ("DELETE", "/accounts/prod/templates/t", None, "template_id: not a template"),
    ],
)
def test_bad_controls_are_refused(
    simulator: Any, method: str, path: str, body: object, error: str
) -> None:
    """With the name of what is wrong."""
    response = simulator.send(method, f"/_sim{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


def test_a_body_that_is_no_json_is_refused(simulator: Any) -> None:
    """Like any that is no object."""
    response = simulator.send("PUT", "/_sim/clock", content=b"{now")
    assert response.json() == {"error": "the body must be a JSON object"}


def test_faults_of_every_route_are_cleared_at_once(simulator: Any) -> None:
    """Without a route."""
    simulator.control("PUT", "/faults", {"kind": "null", "route": "costs"})
    simulator.control("PUT", "/faults", {"kind": "null", "route": "summary"})
    assert simulator.control("DELETE", "/faults") == []
