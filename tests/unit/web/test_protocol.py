from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.web import protocol

if TYPE_CHECKING:
    from tests.unit.web.conftest import Serve

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture
def connection(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A connection to a server that gives requests little time."""
    monkeypatch.setattr(protocol, "SLOWEST_REQUEST", 0.05)
    with serve() as server, socket.create_connection(("127.0.0.1", server.port), 5) as connected:
        yield connected


def _exchange(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(b"Healthy.\n"):
        received += connection.recv(65536)


def _until_closed(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def _send_until_closed(connection: socket.socket, start: bytes, piece: bytes) -> None:
    """Fails the test when the server takes 100 pieces."""
    connection.sendall(start)
    with pytest.raises(ConnectionError):  # noqa: PT012  (sends and waits in turn)
        for _ in range(100):
            connection.sendall(piece)
            time.sleep(0.005)


def test_silent_client(connection: socket.socket) -> None:
    """A connection on which no request comes is closed."""
    assert _until_closed(connection) == b""


def test_dripping_client(connection: socket.socket) -> None:
    """Sending a request bit by bit does not win time, on a used connection either."""
    _exchange(connection)
    _send_until_closed(connection, b"GET / HTTP/1.1\r\nX: ", b"x")


def test_idle_client(connection: socket.socket) -> None:
    """A connection that is idle between two scrapes stays open."""
    _exchange(connection)
    time.sleep(0.15)
    _exchange(connection)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"x" * 4096),
        (b"GET / HTTP/1.1\r\nX: ", b"x" * 4096),
        (b"GET / HTTP/1.1\r\n", b"X: x\r\n" * 2),
        (b"POST /-/reload HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", b"x" * 4096),
    ],
    ids=["address", "header", "headers", "body"],
)
def test_endless_request(serve: Serve, start: bytes, piece: bytes) -> None:
    """Every part of a request has an end, or the connection has."""
    with serve() as server, socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        _send_until_closed(connection, start, piece)


def test_most_headers(serve: Serve) -> None:
    """Too many are refused, also those that come in one piece with the rest of their request."""
    for number, status in ((protocol.MOST_HEADERS, 200), (protocol.MOST_HEADERS + 1, 400)):
        with serve() as server, socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.sendall(b"GET /-/healthy HTTP/1.1\r\n" + b"X: x\r\n" * number + b"\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 %d " % status)


def test_garbage(connection: socket.socket) -> None:
    """What is not HTTP is told so and hung up on."""
    connection.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
    assert _until_closed(connection).startswith(b"HTTP/1.1 400 ")
