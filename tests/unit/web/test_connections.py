"""What many connections, and clients that do not read, may take of the server."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox_exporter.exposition.page import Body, Page
from sandbox_exporter.web import acceptor, protocol, server

if TYPE_CHECKING:
    from sandbox_exporter.web.server import Server
    from tests.unit.web.conftest import FakeExporter, Serve, Until

Loop = Callable[[], asyncio.AbstractEventLoop]

MOST = 10
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n"
LARGE = b"large\n" * 2_000_000


class _Client:
    """Connects to a server, over TLS where it speaks that."""

    def __init__(self, trust: ssl.SSLContext | None) -> None:
        self.trust = trust
        self._open = ExitStack()

    def connect(self, server: Server, receive_buffer: int = 0) -> socket.socket:
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        raw.connect(("127.0.0.1", server.port))
        host = "127.0.0.1"
        made = raw if self.trust is None else self.trust.wrap_socket(raw, server_hostname=host)
        return self._open.enter_context(made)

    def close(self) -> None:
        self._open.close()


@pytest.fixture(params=["http", "https"])
def web_config(request: pytest.FixtureRequest, tmp_path: Path, server_files: str) -> Path | None:
    """No web configuration file, and one with TLS."""
    if request.param == "http":
        return None
    path = tmp_path / "web.yml"
    path.write_text(server_files)
    return path


@pytest.fixture
def client(web_config: Path | None) -> Iterator[_Client]:
    """Closes its connections at the end."""
    trust = None
    if web_config is not None:
        trust = ssl.create_default_context(cafile=web_config.parent / "authority.crt")
    made = _Client(trust)
    yield made
    made.close()


def _exchange(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    received = b""
    while not received.endswith(b"Healthy.\n"):
        piece = connection.recv(65536)
        assert piece, received
        received += piece


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def _connections(server: Server) -> set[Any]:
    return set(server._uvicorn.server_state.connections)


def test_the_oldest_idle_connection_gives_way(
    serve: Serve,
    client: _Client,
    web_config: Path | None,
    new_loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many connections idle, the next one is served, and so are the newest of them."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", MOST)
    with serve(web_config=web_config, new_loop=new_loop) as running:
        idle = [client.connect(running) for _ in range(MOST - 1)]
        for connection in idle:
            _exchange(connection)
        _exchange(idle[0])  # no longer the oldest
        for _ in range(3):
            idle.append(client.connect(running))
            _exchange(idle[-1])
        assert [_is_closed(connection) for connection in idle[1:4]] == [True] * 3
        for connection in (idle[0], *idle[4:]):
            _exchange(connection)
        client.close()


def test_an_answer_under_way_does_not_give_way(
    serve: Serve, exporter: FakeExporter, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """Who waits for the server stays, and half a request is no reason to."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", MOST)
    release = threading.Event()

    async def slow() -> None:
        exporter.calls.append("reload")
        await asyncio.to_thread(release.wait, 10)

    client = _Client(None)
    with serve(exporter.site(slow)) as running:
        answered, *halves = (client.connect(running) for _ in range(MOST - 1))
        answered.sendall(b"POST /-/reload HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: exporter.calls == ["reload"])
        for half in halves:
            half.sendall(b"POST /-/reload HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf")
        for _ in range(MOST):
            _exchange(client.connect(running))
        assert all(map(_is_closed, halves))
        release.set()
        assert answered.recv(65536).startswith(b"HTTP/1.1 200 ")
    client.close()


@pytest.mark.parametrize("connections", [3, 8])
def test_unfinished_handshakes(
    serve: Serve,
    tmp_path: Path,
    server_files: str,
    new_loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    """Clients that connect and do not begin TLS hold nobody up: by their number or for long."""
    monkeypatch.setattr(acceptor, "MOST_HANDSHAKES", 5)
    monkeypatch.setattr(acceptor, "SLOWEST_HANDSHAKE", 0.3 if connections < 5 else 60.0)
    web_config = tmp_path / "web.yml"
    web_config.write_text(server_files)
    trust = ssl.create_default_context(cafile=tmp_path / "authority.crt")
    silent = _Client(None)
    with serve(web_config=web_config, new_loop=new_loop) as running:
        waiting = [silent.connect(running) for _ in range(connections)]
        assert httpx.get(f"{running.url}/-/healthy", verify=trust).text == "Healthy.\n"
        assert all(map(_is_closed, waiting[:3]))
    silent.close()


def test_no_descriptors_left(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the system cannot accept a connection, attempts follow; begin and end are told once."""
    caplog.set_level("INFO")
    monkeypatch.setattr(acceptor, "_PAUSE", 0.0)
    errors = [*[OSError(24, "Too many open files")] * 3, ConnectionAbortedError()]

    class Loop(asyncio.SelectorEventLoop):
        async def sock_accept(self, sock: socket.socket) -> Any:
            if errors:
                raise errors.pop()
            return await super().sock_accept(sock)

    with serve(new_loop=Loop) as running:
        assert httpx.get(f"{running.url}/-/healthy").text == "Healthy.\n"
    assert not errors
    assert [
        record.getMessage() for record in caplog.records if record.name == acceptor.__name__
    ] == [
        "cannot accept connections: Too many open files",
        "connections are accepted again",
    ]


@pytest.fixture
def large_page(exporter: FakeExporter) -> None:
    """A page that no socket's buffers hold."""
    large = Body(gzip.compress(LARGE), len(LARGE))
    exporter.page = Page(text=large, openmetrics=large)


@pytest.mark.usefixtures("large_page")
def test_a_large_page(
    serve: Serve, client: _Client, web_config: Path | None, new_loop: Loop
) -> None:
    """A page arrives whole, whatever pieces it is sent in."""
    with serve(web_config=web_config, new_loop=new_loop) as running:
        answer = httpx.get(
            f"{running.url}/metrics",
            headers={"Accept-Encoding": "identity"},
            verify=client.trust or True,
        )
        assert answer.content == LARGE


@pytest.mark.usefixtures("large_page")
def test_who_does_not_read(
    serve: Serve,
    client: _Client,
    web_config: Path | None,
    new_loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    """An answer that its client does not read takes little memory, and not for long."""
    monkeypatch.setattr(protocol, "SLOWEST_READER", 60.0)
    with serve(web_config=web_config, new_loop=new_loop) as running:
        stuck = client.connect(running, receive_buffer=4096)
        stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: any(each.flow.write_paused for each in _connections(running)))
        (held,) = _connections(running)
        assert held.transport.get_write_buffer_size() < 3 * protocol.MOST_UNSENT
        assert held.waits
        monkeypatch.setattr(protocol, "SLOWEST_READER", 0.05)
        hasty = client.connect(running, receive_buffer=4096)
        hasty.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: len(_connections(running)) == 2)
        until(lambda: _connections(running) == {held})
        stuck.close()
        until(lambda: not _connections(running))


@pytest.mark.usefixtures("large_page")
def test_stop_beside_one_who_does_not_read(
    serve: Serve,
    client: _Client,
    web_config: Path | None,
    new_loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    """The server ends after its time of grace, whether or not its answers are read."""
    monkeypatch.setattr(server, "GRACE", 0.1)
    with serve(web_config=web_config, new_loop=new_loop) as running:
        stuck = client.connect(running, receive_buffer=4096)
        stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: any(each.flow.write_paused for each in _connections(running)))
    assert not _connections(running)


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.0\r\n\r\n", REQUEST + b"\0"])
def test_who_does_not_read_the_end(
    serve: Serve,
    exporter: FakeExporter,
    new_loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
    request_: bytes,
) -> None:
    """A connection that is to close does so although its client has not read everything."""
    monkeypatch.setattr(protocol, "SLOWEST_READER", 0.05)
    body = Body(gzip.compress(LARGE[:40_000]), 40_000)
    exporter.page = Page(text=body, openmetrics=body)
    client = _Client(None)
    with serve(new_loop=new_loop) as running:
        listening = running._acceptor._socket  # type: ignore[union-attr]
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        stuck = client.connect(running, receive_buffer=4096)
        stuck.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n" + request_)
        until(lambda: running._uvicorn.server_state.total_requests > 0)
        until(lambda: not _connections(running))
    client.close()


def test_pipelined_requests(serve: Serve, new_loop: Loop) -> None:
    """A client that asks and asks is refused before its questions fill the memory."""
    client = _Client(None)
    with serve(new_loop=new_loop) as running:
        connection = client.connect(running)
        with_answers = REQUEST * (protocol.MOST_PIPELINED + 1)
        connection.sendall(with_answers)
        received = b""
        while received.count(b"Healthy.\n") < protocol.MOST_PIPELINED + 1:
            received += connection.recv(65536)
        connection.sendall(REQUEST * 1000)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        assert b"HTTP/1.1 400 " in received
        assert received.count(b"HTTP/1.1 200 ") <= protocol.MOST_PIPELINED
    client.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /-/healthy HTTP/1.0\r\n\r\n", 200),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"no HTTP\r\n\r\n", 400),
        (b"GET /" + b"x" * protocol.LARGEST_REQUEST, 400),
        (b"POST /-/reload HTTP/1.0\r\n\r\n", 403),
        (b"GET /nowhere HTTP/1.0\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.0\r\n\r\n", 405),
        (b"POST / HTTP/1.0\r\n\r\n", 405),
    ],
)
def test_headers_of_every_answer(serve: Serve, request_: bytes, status: int) -> None:
    """No answer's type is guessed, and none is kept."""
    with serve() as running:
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(request_)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
    head = received.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 %d " % status)
    assert head.count(b"\r\nx-content-type-options: nosniff") == 1
    assert head.count(b"\r\ncache-control: no-store") == 1


def test_more_answers_under_way_than_connections(
    serve: Serve, exporter: FakeExporter, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """Where nobody can give way, the newcomer is told to come again, as safely as any other."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    release = threading.Event()

    async def slow() -> None:
        exporter.calls.append("reload")
        await asyncio.to_thread(release.wait, 10)

    client = _Client(None)
    with serve(exporter.site(slow)) as running:
        client.connect(running).sendall(b"POST /-/reload HTTP/1.1\r\nHost: here\r\n\r\n")
        until(lambda: exporter.calls == ["reload"])
        answer = httpx.get(f"{running.url}/-/healthy")
        release.set()
    assert answer.status_code == 503
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    client.close()
