from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import httpx
import pytest

from sandbox_exporter.simulator import ServedSimulator, Settings, build_app, serve
from sandbox_exporter.simulator.faults import Fault, Kind
from sandbox_exporter.simulator.serve import origin_of
from sandbox_exporter.vendors.simulated import environment, stand_ins

KEY = {"X-API-Key": "sim-prod-key"}


def with_served(use: Callable[[ServedSimulator, httpx.AsyncClient], Awaitable[None]]) -> None:
    """Runs `use` against a simulator on a free port."""

    async def run() -> None:
        async with (
            serve(Settings(stand_ins()), port=0) as served,
            httpx.AsyncClient(base_url=served.base_url("seacloud"), headers=KEY) as client,
        ):
            await use(served, client)

    asyncio.run(run())


def with_fault(fault: Fault, use: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Runs `use` against a simulator in which the fault is set."""

    async def faulty(served: ServedSimulator, client: httpx.AsyncClient) -> None:
        served.simulation.faults.put(fault)
        await use(client)
        served.simulation.faults.clear()
        assert (await client.get("/templates")).status_code == 200

    with_served(faulty)


def test_tells_its_address_and_answers_there() -> None:
    """The environment lines carry the bound port."""

    async def use(served: ServedSimulator, client: httpx.AsyncClient) -> None:
        assert (await client.get("/usage/limits")).status_code == 200
        assert f"DREADNODE_SERVER={served.origin}" in environment(served)
        assert served.origin.startswith("http://127.0.0.1:")

    with_served(use)


def test_a_port_in_use_is_an_error() -> None:
    """Told before anything is served."""

    async def run() -> None:
        async with serve(Settings(stand_ins()), port=0) as served:
            port = int(served.origin.rpartition(":")[2])
            with pytest.raises(OSError, match="in use"):
                async with serve(Settings(stand_ins()), port=port):
                    pass

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:9842"),
        ("0.0.0.0", "http://127.0.0.1:9842"),
        ("::1", "http://[::1]:9842"),
        ("::", "http://[::1]:9842"),
    ],
)
def test_shows_an_address_that_can_be_asked(address: str, origin: str) -> None:
    """IPv6 goes into brackets, every address becomes loopback's."""
    assert origin_of(address, 9842) == origin


def test_reset() -> None:
    """The client's connection dies with no answer."""

    async def use(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await client.get("/templates")

    with_fault(Fault(Kind.RESET), use)


def test_truncated() -> None:
    """The body ends before its promised length."""

    async def use(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            await client.get("/templates")

    with_fault(Fault(Kind.TRUNCATED), use)


def test_drip() -> None:
    """The whole body comes, in many pieces."""

    async def use(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/templates") as response:
            pieces = [piece async for piece in response.aiter_raw()]
        assert len(pieces) > 10
        assert len(b"".join(pieces)) == int(response.headers["Content-Length"])

    with_fault(Fault(Kind.DRIP, seconds=0.3), use)


def test_garbage() -> None:
    """200, but no JSON."""

    async def use(client: httpx.AsyncClient) -> None:
        response = await client.get("/templates")
        assert response.status_code == 200
        with pytest.raises(ValueError, match="Expecting value"):
            response.json()

    with_fault(Fault(Kind.GARBAGE), use)


def test_oversized_plain_and_packed() -> None:
    """Good JSON of any size; packed, it is small on the wire."""
    size = 3_000_000

    async def plain(client: httpx.AsyncClient) -> None:
        response = await client.get("/usage/limits")
        assert len(response.content) > size
        assert response.json()["resource"] == "sandbox"

    async def packed(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/usage/limits") as response:
            wire = b"".join([piece async for piece in response.aiter_raw()])
        assert len(wire) < size / 100
        assert len(gzip.decompress(wire)) > size

    with_fault(Fault(Kind.OVERSIZED, size=size), plain)
    with_fault(Fault(Kind.GZIP_BOMB, size=size), packed)


def test_delay() -> None:
    """A client in a hurry gives up."""

    async def use(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/templates", timeout=0.1)

    with_fault(Fault(Kind.DELAY, delay=0.5), use)


def test_a_reset_can_be_set_over_http() -> None:
    """On the simulator's own server, which has a connection to reset."""

    async def use(served: ServedSimulator, client: httpx.AsyncClient) -> None:
        fault = {"kind": "reset", "times": 1}
        response = await client.put(f"{served.origin}/_sim/faults", json=fault)
        assert response.json()[0]["kind"] == "reset"
        with pytest.raises(httpx.ReadError):
            await client.get("/templates")

    with_served(use)


def test_without_a_connection_nothing_can_be_reset() -> None:
    """An application that is asked in memory says so."""
    app = build_app(Settings(stand_ins()))
    app.state.simulation.faults.put(Fault(Kind.RESET))

    async def run() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, headers=KEY) as client:
            with pytest.raises(ConnectionResetError, match="own server"):
                await client.get("http://sim/api/v1/sandbox/templates")

    asyncio.run(run())
