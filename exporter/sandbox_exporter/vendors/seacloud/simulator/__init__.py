"""SeaCloud's stand-in: its accounts, routes and error bodies."""

from __future__ import annotations

from collections.abc import Callable

from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.stand_in import (
    Asked,
    Params,
    Refused,
    SimulatedAccount,
    StandIn,
    VendorRoute,
)
from sandbox_exporter.vendors.seacloud.simulator import answers, params, trends
from sandbox_exporter.vendors.seacloud.simulator.answers import Question

_PREFIX = "/api/v1/sandbox"
_INVALID_REQUEST = 10001
_CODES = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 405: "METHOD_NOT_ALLOWED"}
_HANDLERS: dict[str, tuple[str, Callable[[Question], object]]] = {
    "/sandboxes/usage/summary": ("summary", answers.summary),
    "/sandboxes/usage/storage/realtime": ("storage", answers.storage),
    "/sandboxes/usage/storage/stats": ("storage_stats", trends.answer(trends.STORAGE_TREND)),
    "/sandboxes/usage/costs": ("costs", answers.costs),
    "/templates": ("templates", answers.templates),
    "/usage/limits": ("limits", answers.limits),
    **{
        f"/sandboxes/usage/runtime/{name}": ("trends", trends.answer(trend))
        for name, trend in trends.TRENDS.items()
    },
}


def _route(path: str, name: str, handler: Callable[[Question], object]) -> VendorRoute[Fleet]:
    def named(asked: Params) -> str:
        """A summary of one template has a name of its own."""
        of_template = name == "summary" and params.template(asked) is not None
        return "template_summary" if of_template else name

    def answer(asked: Asked[Fleet]) -> object:
        """403 for another project than the key's."""
        project_id = asked.account.options["project_id"]
        if asked.request.headers.get("X-Project-ID", project_id) != project_id:
            raise Refused(403, "the API key has no access to this project")
        query = asked.request.query_params
        return handler(Question(asked.world, asked.account.name, project_id, asked.now_ms, query))

    return VendorRoute(f"{_PREFIX}{path}", named, answer)


def _world(seed: int, account: SimulatedAccount, templates: int) -> Fleet:
    return Fleet(seed, account.name, templates)


def error(status: int, details: str, request_id: str) -> dict[str, object]:
    """One of three shapes: full for what the caller did wrong, short for 404 and the rest."""
    if status == 404:
        return {"error": "not found"}
    if status == 400 or status in _CODES:
        return {
            "code": _INVALID_REQUEST if status == 400 else status,
            "message": "error",
            "error": {"code": _CODES.get(status, "INVALID_REQUEST"), "details": details},
            "request_id": request_id,
        }
    return {"code": status, "message": details}


def _account(name: str, most_templates: int | None, budget_usd: float) -> SimulatedAccount:
    options = {"project_id": f"proj-{name}"}
    return SimulatedAccount(
        "seacloud", name, f"sim-{name}-key", options, most_templates, budget_usd
    )


STAND_IN = StandIn(
    provider="seacloud",
    accounts=(_account("prod", None, 250.0), _account("dev", 5, 240.0)),
    base_path=_PREFIX,
    prefix=f"{_PREFIX}/",
    routes=[_route(path, name, handler) for path, (name, handler) in _HANDLERS.items()],
    world=_world,
    unauthorized="a valid API key is required",
    error=error,
    totals=frozenset(
        {"vcpu_hours", "ram_gb_hours", "data_transfer_gb", "usage_costs_usd", "current_value_usd"}
    ),
)
