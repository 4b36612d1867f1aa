from __future__ import annotations

import socket
import threading
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import httpx
import pytest

from sandbox_exporter.web import auth, live
from sandbox_exporter.web.auth import Authenticator, OverloadedError

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve, Until

ROUTES = ["/metrics", "/", "/-/healthy", "/-/ready", "/nowhere"]


@pytest.fixture
def web_config(tmp_path: Path) -> Path:
    """A web configuration file with a user, and with headers that the pages set too."""
    path = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    path.write_text(
        f"basic_auth_users: {{alice: {hashed}}}\n"
        "http_server_config:\n"
        "  headers:\n"
        "    Strict-Transport-Security: max-age=60\n"
        "    X-Content-Type-Options: nosniff\n"
        "    Content-Security-Policy: default-src 'self'\n"
    )
    return path


def test_every_route(serve: Serve, exporter: FakeExporter, web_config: Path) -> None:
    """Without a password there is a challenge and nothing else, with one there are the headers."""
    with serve(web_config=web_config) as server, httpx.Client(base_url=server.url) as client:
        for route in ROUTES:
            strange = client.get(route)
            assert (strange.status_code, strange.text) == (401, "Unauthorized\n")
            assert strange.headers["WWW-Authenticate"].startswith("Basic realm=")
            assert strange.headers.get_list("X-Content-Type-Options") == ["nosniff"]
            assert strange.headers["Strict-Transport-Security"] == "max-age=60"
        assert exporter.calls == []
        for route in ROUTES:
            known = client.get(route, auth=("alice", "secret"))
            assert known.status_code in (200, 404)
            assert known.headers.get_list("X-Content-Type-Options") == ["nosniff"]
            assert known.headers["Strict-Transport-Security"] == "max-age=60"
            assert known.headers.get_list("Content-Security-Policy") == ["default-src 'self'"]


def test_reload_needs_a_password(serve: Serve, exporter: FakeExporter, web_config: Path) -> None:
    """A stranger cannot cause a reload."""
    with serve(exporter.site(exporter.reload), web_config) as server:
        assert httpx.post(f"{server.url}/-/reload").status_code == 401
        assert exporter.calls == []


def test_removed_user(serve: Serve, web_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who is taken out of the file is out at once, also on an open connection."""
    monkeypatch.setattr(live, "LOOK_EVERY", 0.0)
    with serve(web_config=web_config) as server:
        with httpx.Client(base_url=server.url, auth=("alice", "secret")) as client:
            assert client.get("/metrics").status_code == 200
            web_config.write_text(web_config.read_text().replace("alice", "bob"))
            assert client.get("/metrics").status_code == 401


def test_too_many_logins(serve: Serve, web_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with too many passwords to verify says when to come again."""

    async def overloaded(*_arguments: object) -> bool:
        raise OverloadedError

    monkeypatch.setattr(Authenticator, "allows", overloaded)
    with serve(web_config=web_config) as server:
        answer = httpx.get(f"{server.url}/metrics")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_a_scraper_among_guesses(
    serve: Serve, web_config: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """One hundred clients with wrong passwords do not keep the right one waiting."""
    verified, gate = [], threading.Event()
    verify = bcrypt.checkpw

    def checkpw(password: bytes, hashed: bytes) -> bool:
        verified.append(password)
        gate.wait(10)
        return verify(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    asked, allows = [], Authenticator.allows

    async def counted(authenticator: Authenticator, authorization: bytes, client: str) -> bool:
        asked.append(authorization)
        return await allows(authenticator, authorization, client)

    monkeypatch.setattr(Authenticator, "allows", counted)
    with serve(web_config=web_config) as server, ExitStack() as connections:

        def ask(password: str) -> socket.socket:
            address = ("127.0.0.1", server.port)
            connection = connections.enter_context(socket.create_connection(address, 10))
            credentials = b64encode(f"alice:{password}".encode()).decode()
            connection.sendall(
                f"GET /metrics HTTP/1.0\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()
            )
            return connection

        guesses = [ask(f"guess {number}") for number in range(100)]
        until(lambda: len(asked) == 100)
        scraper = ask("secret")
        until(lambda: len(asked) == 101)
        gate.set()
        assert scraper.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert verified.index(b"secret") == 1
        assert guesses[0].recv(65536).startswith(b"HTTP/1.1 401 ")


def test_a_scraper_whose_address_guesses_at_another_user(
    serve: Serve, web_config: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """With more guesses than may wait, all from its own address, a first login takes a place."""
    monkeypatch.setattr(auth, "LONGEST_QUEUE", 5)
    asked, gate = [], threading.Event()
    verify, allows = bcrypt.checkpw, Authenticator.allows

    def checkpw(password: bytes, hashed: bytes) -> bool:
        if password != b"guess 0":
            gate.wait(10)
        return verify(password, hashed)

    async def counted(authenticator: Authenticator, authorization: bytes, client: str) -> bool:
        asked.append(authorization)
        return await allows(authenticator, authorization, client)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    monkeypatch.setattr(Authenticator, "allows", counted)
    with serve(web_config=web_config) as server, ExitStack() as connections:

        def ask(user: str, password: str) -> socket.socket:
            address = ("127.0.0.1", server.port)
            connection = connections.enter_context(socket.create_connection(address, 10))
            credentials = b64encode(f"{user}:{password}".encode()).decode()
            connection.sendall(
                f"GET /metrics HTTP/1.0\r\nAuthorization: Basic {credentials}\r\n\r\n".encode()
            )
            return connection

        assert ask("admin", "guess 0").recv(65536).startswith(b"HTTP/1.1 401 ")
        guesses = [ask("admin", f"guess {number}") for number in range(1, 20)]
        until(lambda: len(asked) == 20)
        assert guesses[-1].recv(65536).startswith(b"HTTP/1.1 503 ")
        scraper = ask("alice", "secret")
        until(lambda: len(asked) == 21)
        gate.set()
        assert scraper.recv(65536).startswith(b"HTTP/1.1 200 ")
