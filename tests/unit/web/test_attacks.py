"""Odd requests on raw sockets: each has its answer, no line in the log, and takes nothing along."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve, Until

HOST = b"\r\nHost: here\r\n\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1" + HOST
RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: here\r\n"


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (b"GET /-/healthy HTTP/1.0\r\n\r\n", [200]),
        (b"GET /-/healthy HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200]),
        (b"GET http://elsewhere.example/-/healthy HTTP/1.1" + HOST, [200]),
        (b"GET http://elsewhere.example HTTP/1.1" + HOST, [400]),
        (b"GET //elsewhere.example/metrics HTTP/1.1" + HOST, [404]),
        (b"GET /../metrics HTTP/1.1" + HOST, [404]),
        (b"GET /%00%ff HTTP/1.1" + HOST, [404]),
        (b"GET /\xff HTTP/1.1" + HOST, [400]),
        (b"GET /-/healthy HTTP/1.1\r\nHost: a\x01b\r\n\r\n", [400]),
        (b"GET /-/healthy HTTP/1.1\r\nHost : here\r\n\r\n", [400]),
        (b"GET /-/healthy HTTP/1.1\nHost: here\n\n", [400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
        (b"CONNECT elsewhere.example:443 HTTP/1.1" + HOST + HEALTHY, [400]),
        (b"TRACE / HTTP/1.1" + HOST, [405]),
        (b"TRACE /metrics HTTP/1.1" + HOST, [405]),
        (b"OPTIONS * HTTP/1.1" + HOST, [404]),
        (b"OPTIONS /metrics HTTP/1.1" + HOST, [405]),
        (b"HEAD /-/reload HTTP/1.1" + HOST, [405]),
        (HEALTHY[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", [200]),
        (RELOAD + b"Content-Length: -1\r\n\r\n", [400]),
        (RELOAD + b"Content-Length: 9999999999999999999999\r\n\r\n", [400]),
        (RELOAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", [400]),
        (RELOAD + b"Transfer-Encoding: odd\r\n\r\n0\r\n\r\n", [400]),
        (RELOAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", [400]),
        # What another server might take for a second request is none, and what is none is one.
        (
            RELOAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HEALTHY,
            [400],
        ),
        (HEALTHY[:-2] + b"Content-Length: 3\r\n\r\nabc" + HEALTHY, [200, 200]),
    ],
)
def test_odd_request(
    serve: Serve,
    exporter: FakeExporter,
    until: Until,
    caplog: pytest.LogCaptureFixture,
    request_: bytes,
    statuses: list[int],
) -> None:
    """It is answered as HTTP says, causes no reload, and the next client is served."""
    with serve(exporter.site(exporter.reload)) as server:
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address, 10) as odd:
            odd.sendall(request_)
            received = b""
            found: list[int] = []
            while len(found) < len(statuses):
                piece = odd.recv(65536)
                assert piece, received
                received += piece
                found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]
            assert found == statuses
        until(lambda: not server._uvicorn.server_state.connections)
        with socket.create_connection(address, 10) as next_:
            next_.sendall(HEALTHY)
            assert next_.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert "reload" not in exporter.calls
    assert caplog.messages == []
