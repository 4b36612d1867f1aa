"""The simulator as one Starlette application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.controls import PREFIX, control_routes
from sandbox_exporter.simulator.gateway import endpoint
from sandbox_exporter.simulator.simulation import Settings, Simulation


def build_app(settings: Settings, clock: SimulatedClock | None = None) -> Starlette:
    """The vendors' routes and the test controls; the `Simulation` is `app.state.simulation`."""
    simulation = Simulation(settings, clock)
    routes: list[BaseRoute] = [
        Route(route.path, endpoint(simulation, vendor, route), methods=["GET"])
        for vendor in settings.vendors
        for route in vendor.routes
    ]
    routes.extend(control_routes(simulation))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})
    app.state.simulation = simulation
    return app


def _no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405, in the body that the vendor of the path would send."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    simulation: Simulation = request.app.state.simulation
    for vendor in simulation.vendors.values():
        if path.startswith(vendor.prefix):
            request_id = request.headers.get("X-Request-ID", "")
            return JSONResponse(vendor.error(status, "Not found", request_id), status)
    what = "control" if path.startswith(PREFIX) else "route"
    return JSONResponse({"error": f"no such {what}, see docs/simulator.md"}, status)
