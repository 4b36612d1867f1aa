from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.web.reload import SharedReload

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve, Until

HALF = b"POST /-/reload HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": ""},
    ],
)
def test_another_origin(serve: Serve, exporter: FakeExporter, headers: dict[str, str]) -> None:
    """A page from elsewhere cannot reload in the name of whoever looks at it."""
    with serve(exporter.site(exporter.reload)) as server:
        answer = httpx.post(f"{server.url}/-/reload", headers=headers)
    assert answer.status_code == 403
    assert exporter.calls == []


def test_one_origin_of_several(serve: Serve, exporter: FakeExporter) -> None:
    """Another origin does not hide behind the own one."""
    with serve(exporter.site(exporter.reload)) as server:
        headers = [("Origin", server.url), ("Origin", "https://elsewhere.example")]
        assert httpx.post(f"{server.url}/-/reload", headers=headers).status_code == 403
    assert exporter.calls == []


def test_own_origin(serve: Serve, exporter: FakeExporter) -> None:
    """The server's own pages, an address typed in and clients that are no browsers may reload."""
    with serve(exporter.site(exporter.reload)) as server:
        for headers in (
            {},
            {"Origin": server.url},
            {"Sec-Fetch-Site": "same-origin"},
            {"Sec-Fetch-Site": "none"},
        ):
            assert httpx.post(f"{server.url}/-/reload", headers=headers).status_code == 200
    assert exporter.calls == ["reload"] * 4


def test_half_a_request(serve: Serve, exporter: FakeExporter) -> None:
    """A reload begins when its request has come in whole."""
    with serve(exporter.site(exporter.reload)) as server:
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address, 10) as first, socket.create_connection(address, 10):
            first.sendall(HALF)
            assert httpx.get(f"{server.url}/-/healthy").status_code == 200
            assert exporter.calls == []
            first.sendall(b" done")
            assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert exporter.calls == ["reload"]


def test_a_request_given_up(
    serve: Serve, exporter: FakeExporter, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Who hangs up in the middle of a request has not asked for a reload; it is no fault either."""
    with serve(exporter.site(exporter.reload)) as server:
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(HALF)
            until(lambda: bool(server._uvicorn.server_state.tasks))
        until(lambda: not server._uvicorn.server_state.connections)
        until(lambda: not server._uvicorn.server_state.tasks)
    assert exporter.calls == []
    assert caplog.messages == []


def test_reloads_at_once() -> None:
    """One runs at a time; those asked for meanwhile share the next, whoever of them goes away."""
    running = most = done = 0

    async def reload() -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        for _ in range(10):
            await asyncio.sleep(0)
        running -= 1
        done += 1

    async def ask() -> None:
        shared = SharedReload(reload)
        first = asyncio.create_task(shared())
        for _ in range(3):
            await asyncio.sleep(0)
        assert running == 1
        others = [asyncio.create_task(shared()) for _ in range(50)]
        await asyncio.sleep(0)
        others[0].cancel()
        await asyncio.gather(first, *others[1:])

    asyncio.run(ask())
    assert (most, done) == (1, 2)
