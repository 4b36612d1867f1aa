"""The simulator as one Starlette application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox_exporter.simulator import seacloud, trends
from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.controls import PREFIX, control_routes
from sandbox_exporter.simulator.gateway import DreadnodeRoute, SeaCloudRoute, endpoint
from sandbox_exporter.simulator.refusals import dreadnode_error, seacloud_error
from sandbox_exporter.simulator.settings import SEACLOUD_PREFIX, Settings
from sandbox_exporter.simulator.simulation import Simulation

_DREADNODE_PREFIX = "/api/v1/org/"
_SEACLOUD_HANDLERS = {
    "/sandboxes/usage/summary": ("summary", seacloud.summary),
    "/sandboxes/usage/storage/realtime": ("storage", seacloud.storage),
    "/sandboxes/usage/storage/stats": ("storage_stats", trends.answer(trends.STORAGE_TREND)),
    "/sandboxes/usage/costs": ("costs", seacloud.costs),
    "/templates": ("templates", seacloud.templates),
    "/usage/limits": ("limits", seacloud.limits),
    **{
        f"/sandboxes/usage/runtime/{name}": ("trends", trends.answer(trend))
        for name, trend in trends.TRENDS.items()
    },
}


def build_app(settings: Settings, clock: SimulatedClock | None = None) -> Starlette:
    """The vendors' routes and the test controls; the `Simulation` is `app.state.simulation`."""
    simulation = Simulation(settings, clock)
    routes: list[BaseRoute] = [
        Route(
            f"{SEACLOUD_PREFIX}{path}",
            endpoint(simulation, SeaCloudRoute(simulation, name, handler)),
            methods=["GET"],
        )
        for path, (name, handler) in _SEACLOUD_HANDLERS.items()
    ]
    usage = endpoint(simulation, DreadnodeRoute(simulation))
    routes.append(Route(f"{_DREADNODE_PREFIX}{{org}}/sandboxes/usage", usage, methods=["GET"]))
    routes.extend(control_routes(simulation))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})
    app.state.simulation = simulation
    return app


def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405, in the body that the vendor of the path would send."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    if path.startswith(_DREADNODE_PREFIX):
        return JSONResponse(dreadnode_error(status, "Not found"), status)
    if path.startswith(PREFIX):
        return JSONResponse({"error": "no such control, see docs/simulator.md"}, status)
    request_id = request.headers.get("X-Request-ID", "")
    return JSONResponse(seacloud_error(status, "no such route", request_id), status)
