from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.web.app import build_app
from sandbox_exporter.web.server import Server

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:0", "http://127.0.0.1:"),
        ("0.0.0.0:0", "http://127.0.0.1:"),
        ("[::]:0", "http://127.0.0.1:"),
        ("[::1]:0", "http://[::1]:"),
    ],
)
def test_url(serve: Serve, listen: str, url: str) -> None:
    """The server tells an address at which it is reached from here."""
    with serve(listen=listen) as server:
        assert server.url == f"{url}{server.port}"
        assert httpx.get(f"{server.url}/-/healthy").status_code == 200


def test_stop(serve: Serve, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Stopping closes idle connections and frees the port at once."""
    with serve(new_loop=new_loop) as server:
        client = httpx.Client()
        client.get(f"{server.url}/-/healthy")
        address = ("127.0.0.1", server.port)
    with pytest.raises(httpx.TransportError):
        client.get(f"http://127.0.0.1:{address[1]}/-/healthy")
    client.close()
    socket.create_server(address).close()


def test_stop_without_start(exporter: FakeExporter) -> None:
    """A server whose address was taken can be stopped like any other."""

    async def scenario() -> None:
        server = Server(build_app(exporter.site()))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            with pytest.raises(OSError, match="Address already in use"):
                await server.start(f"127.0.0.1:{taken.getsockname()[1]}")
        await server.stop()

    asyncio.run(scenario())


def test_signals_are_left_alone(exporter: FakeExporter) -> None:
    """The program around the server decides what signals do."""

    async def scenario() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        server = Server(build_app(exporter.site()))
        await server.start("127.0.0.1:0")
        after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        await server.stop()
        assert after == before

    asyncio.run(scenario())


def test_answer_under_way_is_finished(exporter: FakeExporter) -> None:
    """A request that has begun is answered although the server is being stopped."""
    started, release = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        started.set()
        await release.wait()

    async def scenario() -> None:
        server = Server(build_app(exporter.site(slow)))
        await server.start("127.0.0.1:0")
        async with httpx.AsyncClient() as client:
            answering = asyncio.create_task(client.post(f"{server.url}/-/reload"))
            await started.wait()
            stopping = asyncio.create_task(server.stop())
            await asyncio.sleep(0)
            release.set()
            answer = await answering
            await stopping
        assert answer.text == "Reloaded.\n"

    asyncio.run(scenario())
