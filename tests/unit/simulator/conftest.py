"""A simulator with a stopped clock, asked without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from sandbox_exporter.simulator import Settings, SimulatedClock, build_app
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.simulation import Simulation
from sandbox_exporter.vendors.simulated import stand_ins

NOW = datetime(2026, 9, 16, 15, 20, 30, 500_000, tzinfo=UTC).timestamp()
PROD = {"X-API-Key": "sim-prod-key"}


@dataclass
class Simulator:
    """The application, the world behind it, and a way to ask it."""

    app: Starlette
    simulation: Simulation

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        json: object = None,
        params: dict[str, str | float] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One request."""

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sim") as client:
                return await client.request(
                    method, path, headers=headers, params=params, json=json, content=content
                )

        return asyncio.run(request())

    def seacloud(self, path: str, **params: str | float) -> Any:
        """The JSON of a good SeaCloud answer to account `prod`."""
        response = self.send("GET", f"/api/v1/sandbox{path}", PROD, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def refusal(self, path: str, **params: str | float) -> tuple[int, Any]:
        """Status and JSON of a refused SeaCloud request of account `prod`."""
        response = self.send("GET", f"/api/v1/sandbox{path}", PROD, params=params)
        return response.status_code, response.json()

    def control(self, method: str, path: str, json: object = None, **params: str | float) -> Any:
        """The JSON of a control that was obeyed."""
        response = self.send(method, f"/_sim{path}", json=json, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    @property
    def fleet(self) -> Fleet:
        """The fleet of account `prod`."""
        return self.simulation.fleets["prod"]

    @property
    def busy_id(self) -> str:
        """A template of account `prod` that has sessions."""
        return self.fleet.busy[0].template.id


@pytest.fixture
def clock() -> SimulatedClock:
    """A clock that stands at `NOW`."""
    clock = SimulatedClock()
    clock.set(now=NOW, speed=0)
    return clock


@pytest.fixture
def simulate(clock: SimulatedClock) -> Callable[[Settings], Simulator]:
    """Makes a simulator of given settings at `NOW`."""

    def make(settings: Settings) -> Simulator:
        app = build_app(settings, clock)
        return Simulator(app, app.state.simulation)

    return make


@pytest.fixture
def simulator(simulate: Callable[[Settings], Simulator]) -> Simulator:
    """The default accounts at `NOW`."""
    return simulate(Settings(stand_ins()))
