"""Test controls under `/_sim`: JSON, no key. They are no part of any vendor's API."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox_exporter.simulator.broken import TRANSPORT
from sandbox_exporter.simulator.faults import Fault, Kind
from sandbox_exporter.simulator.fields import ControlError, Fields
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.history import Burst
from sandbox_exporter.simulator.simulation import Simulation
from sandbox_exporter.simulator.templates import Template

PREFIX = "/_sim"

_FAULT_FIELDS = {field.name for field in dataclasses.fields(Fault)}
_NEEDS_CONNECTION = {Kind.RESET, Kind.TRUNCATED}
_MOST_BYTES = 2**30
_MOST_SANDBOXES = 10_000
_DAY_SECONDS = 86_400
_Control = Callable[[Simulation, Request, dict[str, Any]], object]


def control_routes(simulation: Simulation) -> list[BaseRoute]:
    """The routes of all controls."""
    template = "/accounts/{account}/templates/{template_id}"
    controls: list[tuple[str, str, _Control]] = [
        ("GET", "/clock", _get_clock),
        ("PUT", "/clock", _put_clock),
        ("GET", "/faults", _get_faults),
        ("PUT", "/faults", _put_fault),
        ("DELETE", "/faults", _delete_faults),
        ("GET", "/ledger", _get_ledger),
        ("GET", "/requests", _get_requests),
        ("DELETE", "/requests", _delete_requests),
        ("PUT", template, _put_template),
        ("DELETE", template, _delete_template),
        ("PUT", f"{template}/burst", _put_burst),
        ("DELETE", "/accounts/{account}/changes", _delete_changes),
    ]
    return [
        Route(f"{PREFIX}{path}", _endpoint(simulation, control), methods=[method])
        for method, path, control in controls
    ]


def _endpoint(simulation: Simulation, control: _Control) -> Callable[[Request], Any]:
    @functools.wraps(control)
    async def respond(request: Request) -> Response:
        try:
            return JSONResponse(control(simulation, request, await _input(request)))
        except ControlError as error:
            return JSONResponse({"error": str(error)}, 400)

    return respond


async def _input(request: Request) -> dict[str, Any]:
    """The JSON object of a PUT, the parameters of anything else."""
    if request.method != "PUT":
        return dict(request.query_params)
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ControlError("the body must be a JSON object")
    return body


def _get_clock(simulation: Simulation, _request: Request, _body: dict[str, Any]) -> object:
    clock = simulation.clock
    return {"now": clock.now(), "offset": clock.offset, "speed": clock.speed}


def _put_clock(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"now", "offset", "speed"})
    least = {"now": 0.0, "offset": float("-inf"), "speed": 0.0}
    simulation.clock.set(
        **{name: fields.number(name, least=least[name]) for name in least if fields.has(name)}
    )
    return _get_clock(simulation, request, body)


def _get_faults(simulation: Simulation, _request: Request, _body: dict[str, Any]) -> object:
    return [
        {**dataclasses.asdict(fault), "taken": taken} for fault, taken in simulation.faults.taken()
    ]


def _put_fault(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, _FAULT_FIELDS)
    kind = fields.text("kind")
    if kind not in set(Kind):
        raise ControlError(f"kind: must be one of {', '.join(Kind)}")
    fault = Fault(
        kind=Kind(kind),
        route=fields.text("route", "*"),
        account=fields.text("account", "*"),
        template_id=fields.text("template_id", "*"),
        times=fields.whole("times") if fields.has("times") else None,
        delay=fields.number("delay", 0),
        status=fields.whole("status", 503, most=599),
        headers=fields.texts("headers"),
        body=fields.raw("body"),
        field=fields.text("field", ""),
        factor=fields.number("factor", 1),
        seconds=fields.number("seconds", 10),
        size=fields.whole("size", 32 * 2**20, most=_MOST_BYTES),
    )
    if fault.kind in _NEEDS_CONNECTION and TRANSPORT not in request.scope.get("extensions", {}):
        raise ControlError(f"kind: {kind} needs the simulator's own server")
    simulation.faults.put(fault)
    return _get_faults(simulation, request, {})


def _delete_faults(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"route"})
    simulation.faults.clear(fields.text("route") if fields.has("route") else None)
    return _get_faults(simulation, request, {})


def _get_ledger(simulation: Simulation, _request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"account", "start", "end", "at"})
    world = simulation.worlds.get(fields.text("account"))
    if world is None:
        raise ControlError("account: not a simulated account")
    start, end = fields.number("start"), fields.number("end")
    # The simulated clock is no bound: it tells of the future too.
    return world.ledger(*(round(t * 1000) for t in (start, end, fields.number("at", end))))


def _get_requests(simulation: Simulation, _request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"account", "route"})
    account = fields.text("account") if fields.has("account") else None
    route = fields.text("route") if fields.has("route") else None
    journal = simulation.journal
    return {
        "count": journal.count(account, route),
        "counts": journal.counts(),
        "requests": [dataclasses.asdict(call) for call in journal.calls(account, route)],
    }


def _delete_requests(simulation: Simulation, _request: Request, _body: dict[str, Any]) -> object:
    simulation.journal.clear()
    return {"count": 0}


def _put_template(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"at", "vcpus", "memory_mib", "sessions_per_day", "mean_runtime"})
    fleet, template_id = _fleet(simulation, request), request.path_params["template_id"]
    template = Template(
        id=template_id,
        name=template_id,
        vcpus=fields.whole("vcpus", 2, most=1024),
        memory_mib=fields.whole("memory_mib", 2048, most=2**22),
        sessions_per_day=fields.number("sessions_per_day", 100),
        mean_runtime=fields.number("mean_runtime", 600, least=1),
    )
    fleet.add(template, _moment(simulation, fields))
    return dataclasses.asdict(fleet.history(template_id).template)


def _delete_template(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fleet, template_id = _known_template(simulation, request)
    fleet.remove(template_id, _moment(simulation, Fields(body, {"at"})))
    return {"removed": template_id}


def _put_burst(simulation: Simulation, request: Request, body: dict[str, Any]) -> object:
    fields = Fields(body, {"at", "duration", "sandboxes"})
    fleet, template_id = _known_template(simulation, request)
    start = _moment(simulation, fields)
    length = fields.whole("duration", _DAY_SECONDS, most=366 * _DAY_SECONDS) * 1000
    burst = Burst(start, start + length, fields.whole("sandboxes", 10, most=_MOST_SANDBOXES))
    fleet.burst(template_id, burst)
    return dataclasses.asdict(burst)


def _delete_changes(simulation: Simulation, request: Request, _body: dict[str, Any]) -> object:
    _fleet(simulation, request).reset()
    return {"reset": request.path_params["account"]}


def _fleet(simulation: Simulation, request: Request) -> Fleet:
    fleet = simulation.fleets.get(request.path_params["account"])
    if fleet is None:
        raise ControlError("account: not a simulated account with templates")
    return fleet


def _known_template(simulation: Simulation, request: Request) -> tuple[Fleet, str]:
    fleet, template_id = _fleet(simulation, request), request.path_params["template_id"]
    if template_id not in fleet:
        raise ControlError("template_id: not a template of this account")
    return fleet, template_id


def _moment(simulation: Simulation, fields: Fields) -> int:
    """`at` in Unix ms; now by default."""
    return int(fields.number("at", simulation.clock.now()) * 1000)
