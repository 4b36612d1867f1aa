from __future__ import annotations

from typing import Any

import pytest

from sandbox_exporter.simulator import Settings, SimulatedAccount
from sandbox_exporter.vendors.simulated import stand_ins

SUMMARY = "/api/v1/sandbox/sandboxes/usage/summary"
USAGE = "/api/v1/org/acme/sandboxes/usage"


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": "sim-dev-key"}, {"Authorization": "Bearer sim-dev-key"}]
)
def test_either_header_authenticates(simulator: Any, headers: dict[str, str]) -> None:
    """Each key sees its own account's fleet."""
    dev = simulator.send("GET", SUMMARY, headers)
    prod = simulator.send("GET", SUMMARY, {"X-API-Key": "sim-prod-key"})
    assert dev.status_code == prod.status_code == 200
    assert dev.json() != prod.json()


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Basic sim-prod-key"}]
)
def test_seacloud_without_a_known_key(simulator: Any, headers: dict[str, str]) -> None:
    """401 in the vendor's shape, with the request's own id."""
    response = simulator.send("GET", SUMMARY, {**headers, "X-Request-ID": "req-1"})
    assert response.status_code == 401
    assert response.headers["X-Request-ID"] == "req-1"
    assert response.json() == {
        "code": 401,
        "message": "error",
        "error": {"code": "UNAUTHORIZED", "details": "a valid API key is required"},
        "request_id": "req-1",
    }


def test_seacloud_project(simulator: Any) -> None:
    """The key's own project or none is fine, another is forbidden."""
    key = {"X-API-Key": "sim-prod-key"}
    assert simulator.send("GET", SUMMARY, {**key, "X-Project-ID": "proj-prod"}).status_code == 200
    refused = simulator.send("GET", SUMMARY, {**key, "X-Project-ID": "proj-dev"})
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "FORBIDDEN"


def test_every_answer_has_a_request_id(simulator: Any) -> None:
    """One of its own if the client sent none."""
    response = simulator.send("GET", SUMMARY, {"X-API-Key": "sim-prod-key"})
    assert len(response.headers["X-Request-ID"]) == 36


def test_dreadnode_usage(simulator: Any) -> None:
    """Whole seconds of the month and ever, and sessions ever."""
    headers = {"Authorization": "Bearer sim-research-key"}
    answer = simulator.send("GET", USAGE, headers).json()
    organization = simulator.simulation.worlds["research"]
    now = simulator.simulation.clock.now_ms
    assert answer["total_runtime_seconds"] == organization.lifetime_ms(now) // 1000
    assert answer["sessions_count"] == organization.sessions(now)
    assert 0 < answer["current_month_seconds"] < answer["total_runtime_seconds"]
    assert all(isinstance(value, int) for value in answer.values())


@pytest.mark.parametrize(
    ("organization", "key", "status", "body"),
    [
        ("acme", "wrong", 401, {"detail": "Authentication failed", "type": "authentication_error"}),
        ("other", "sim-other-key", 200, None),
        ("other", "sim-research-key", 403, {"detail": "Access forbidden"}),
        ("nobody", "sim-research-key", 404, {"detail": "Organization not found"}),
        ("Not_A_Slug", "sim-research-key", 422, {"detail": "Validation error"}),
    ],
)
def test_dreadnode_refusals(
    simulate: Any, organization: str, key: str, status: int, body: dict[str, str] | None
) -> None:
    """In the vendor's envelope, with the field at fault when one is."""
    other = SimulatedAccount("dreadnode", "other", "sim-other-key", {"organization": "other"})
    vendors = stand_ins()
    own = [account for vendor in vendors for account in vendor.accounts]
    simulator = simulate(Settings(vendors, accounts=(*own, other)))
    response = simulator.send(
        "GET", f"/api/v1/org/{organization}/sandboxes/usage", {"X-API-Key": key}
    )
    assert response.status_code == status
    if body is not None:
        answer = response.json()
        assert answer["code"] == status
        assert body.items() <= answer.items()
        assert ("errors" in answer) == (status == 422)


def test_unknown_routes_and_methods(simulator: Any) -> None:
    """Each vendor answers in its own way."""
    nothing = simulator.send("GET", "/api/v1/sandbox/nothing")
    assert (nothing.status_code, nothing.json()) == (404, {"error": "not found"})
    post = simulator.send("POST", SUMMARY)
    assert (post.status_code, post.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    other = simulator.send("GET", "/api/v1/org/acme/nothing")
    assert (other.status_code, other.json()["type"]) == (404, "not_found")
    control = simulator.send("GET", "/_sim/nothing")
    assert "docs/simulator.md" in control.json()["error"]
