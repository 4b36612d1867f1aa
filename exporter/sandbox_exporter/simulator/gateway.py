"""From a request to a vendor's answer: key, journal, fault, handler, error body."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox_exporter.simulator.broken import broken
from sandbox_exporter.simulator.faults import Kind, spoil
from sandbox_exporter.simulator.journal import Call
from sandbox_exporter.simulator.simulation import Simulation
from sandbox_exporter.simulator.stand_in import Asked, Refused, StandIn, VendorRoute, W

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def endpoint(simulation: Simulation, vendor: StandIn[W], route: VendorRoute[W]) -> Endpoint:
    """The vendor's route as something that Starlette can serve."""
    accounts = [a for a in simulation.accounts.values() if a.provider == vendor.provider]
    by_key = {account.api_key: account for account in accounts}

    def answer(request: Request) -> object:
        account = by_key.get(vendor.key(request))
        if account is None:
            raise Refused(401, vendor.unauthorized)
        world: W = simulation.worlds[account.name]  # type: ignore[assignment]  # the vendor made it
        return route.answer(Asked(request, account, accounts, world, simulation.clock.now_ms))

    async def respond(request: Request) -> ASGIApp:
        account = by_key.get(vendor.key(request))
        params = dict(request.query_params)
        name = account.name if account else ""
        call = Call(simulation.clock.now(), route.name(params), name, params)
        simulation.journal.record(call)
        fault = simulation.faults.take(call.route, call.account, params.get("template_id", ""))
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        request_id = request.headers.get("X-Request-ID") or str(uuid.uuid4())
        headers = {"X-Request-ID": request_id}
        if fault and fault.kind is Kind.STATUS:
            body = fault.body or vendor.error(fault.status, "simulated fault", request_id)
            return _json(body, fault.status, {**headers, **fault.headers})
        try:
            body = answer(request)
        except Refused as refused:
            error = vendor.error(refused.status, refused.details, request_id)
            return _json(error, refused.status, headers)
        if fault is None:
            return _json(body, 200, headers)
        return broken(fault, json.dumps(spoil(fault, body, vendor.totals)).encode(), headers)

    return respond


def _json(body: object, status: int, headers: Mapping[str, str]) -> Response:
    return Response(json.dumps(body), status, headers, "application/json")
