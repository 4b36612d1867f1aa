"""From a request to a vendor's answer: key, journal, fault, handler, error body."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from sandbox_exporter.simulator import dreadnode
from sandbox_exporter.simulator import params as asked
from sandbox_exporter.simulator.broken import broken
from sandbox_exporter.simulator.faults import Fault, Kind, spoil
from sandbox_exporter.simulator.journal import Call
from sandbox_exporter.simulator.refusals import (
    ErrorDetail,
    Refused,
    dreadnode_error,
    seacloud_error,
)
from sandbox_exporter.simulator.seacloud import Question
from sandbox_exporter.simulator.simulation import Simulation

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


class Vendor(Protocol):
    """How one route of a vendor treats a request."""

    def route(self, request: Request) -> str:
        """The route's name, for faults and the journal."""
        ...

    def account(self, request: Request) -> str:
        """The name of the account whose key the request carries; empty if unknown."""
        ...

    def answer(self, request: Request, account: str) -> object:
        """The JSON of the answer; raises `Refused`."""
        ...

    def error(self, status: int, details: str, request_id: str) -> object:
        """The JSON of an error."""
        ...


def endpoint(simulation: Simulation, vendor: Vendor) -> Endpoint:
    """The vendor's route as something that Starlette can serve."""

    async def respond(request: Request) -> ASGIApp:
        account, route = vendor.account(request), vendor.route(request)
        params = dict(request.query_params)
        request_id = request.headers.get("X-Request-ID") or str(uuid.uuid4())
        simulation.journal.record(Call(simulation.clock.now(), route, account, params))
        fault = simulation.faults.take(route, account, params.get("template_id", ""))
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        headers = {"X-Request-ID": request_id}
        if fault and fault.kind is Kind.STATUS:
            body = fault.body or vendor.error(fault.status, "simulated fault", request_id)
            return _json(body, fault.status, {**headers, **fault.headers})
        try:
            body = vendor.answer(request, account)
        except Refused as refused:
            error = vendor.error(refused.status, refused.details, request_id)
            return _json(error, refused.status, headers)
        return _spoilt(fault, body, headers)

    return respond


class SeaCloudRoute:
    """A SeaCloud route under its prefix."""

    def __init__(
        self, simulation: Simulation, name: str, handler: Callable[[Question], object]
    ) -> None:
        self._simulation = simulation
        self._name = name
        self._handler = handler
        self._accounts = {account.name: account for account in simulation.settings.seacloud}
        self._keys = {account.api_key: account.name for account in simulation.settings.seacloud}

    def route(self, request: Request) -> str:
        """The route's name; a summary of one template has one of its own."""
        if self._name == "summary" and asked.template(request.query_params) is not None:
            return "template_summary"
        return self._name

    def account(self, request: Request) -> str:
        """The name of the key's account."""
        return self._keys.get(_key(request), "")

    def answer(self, request: Request, account: str) -> object:
        """401 without a known key, 403 for another project than the key's."""
        if not account:
            raise Refused(401, "a valid API key is required")
        project_id = self._accounts[account].project_id
        if request.headers.get("X-Project-ID", project_id) != project_id:
            raise Refused(403, "the API key has no access to this project")
        simulation = self._simulation
        return self._handler(
            Question(
                simulation.fleets[account],
                account,
                project_id,
                simulation.clock.now_ms,
                request.query_params,
            )
        )

    def error(self, status: int, details: str, request_id: str) -> object:
        """One of SeaCloud's shapes."""
        return seacloud_error(status, details, request_id)


class DreadnodeRoute:
    """Dreadnode's usage of an organization."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        accounts = simulation.settings.dreadnode
        self._organizations = {account.name: account.organization for account in accounts}
        self._keys = {account.api_key: account.name for account in accounts}

    def route(self, _request: Request) -> str:
        """There is one only."""
        return "usage"

    def account(self, request: Request) -> str:
        """The name of the key's account."""
        return self._keys.get(_key(request), "")

    def answer(self, request: Request, account: str) -> object:
        """401 without a known key, 403 for another's organization, 404 for nobody's."""
        organization = request.path_params["org"]
        if not account:
            raise Refused(401, "Authentication failed")
        if not re.fullmatch("[a-z0-9][a-z0-9-]*", organization):
            raise Refused(422, "Validation error")
        if organization not in self._organizations.values():
            raise Refused(404, "Organization not found")
        if organization != self._organizations[account]:
            raise Refused(403, "Access forbidden")
        simulation = self._simulation
        return dreadnode.usage(simulation.organizations[account], simulation.clock.now_ms)

    def error(self, status: int, details: str, _request_id: str) -> object:
        """Dreadnode's envelope."""
        slug = ErrorDetail(("path", "org"), "must be a slug", "string_pattern_mismatch")
        return dreadnode_error(status, details, (slug,) if status == 422 else ())


def _key(request: Request) -> str:
    """The API key, from either header that the vendors' clients send."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return request.headers.get("X-API-Key", "") or bearer


def _json(body: object, status: int, headers: Mapping[str, str]) -> Response:
    return Response(json.dumps(body), status, headers, "application/json")


def _spoilt(fault: Fault | None, body: object, headers: Mapping[str, str]) -> ASGIApp:
    if fault is None:
        return _json(body, 200, headers)
    return broken(fault, json.dumps(spoil(fault, body)).encode(), headers)
