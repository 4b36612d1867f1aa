"""A vendor's server that misbehaves as a test says, on a real socket, and a client of it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox_exporter.client.client import Client
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.errors import Reason
from sandbox_exporter.secret import Secret

KEY = "made-up-key"

Step = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """A request as the server saw it."""

    target: str
    headers: Mapping[str, str]
    """By lower-case name."""


class Upstream:
    """Answers each request by the next step of its script, and the last one over and over."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""
        self.asked = asyncio.Event()
        """Set once there was a request."""
        self._stopped = asyncio.Event()
        self._steps: list[Step] = [self.reply()]
        self._server: asyncio.Server | None = None

    def script(self, *steps: Step) -> None:
        """Say how the next requests are answered."""
        self._steps = list(steps)

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Listen no more, so that connections are refused, and end what hangs."""
        self._stopped.set()
        if self._server is not None:
            self._server.close()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the other side is gone, as it may
        finally:
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode("ascii").rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.requests.append(Request(first.split(" ")[1], headers))
        step = self._steps[0] if len(self._steps) == 1 else self._steps.pop(0)
        self.asked.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await step(writer)
        finally:
            self.at_once -= 1

    @staticmethod
    def raw(data: bytes, *, close: bool = True) -> Step:
        """Send just these bytes and, by default, close the connection."""

        async def step(writer: asyncio.StreamWriter) -> None:
            writer.write(data)
            await writer.drain()
            if close:
                writer.close()

        return step

    @classmethod
    def reply(
        cls, status: int = 200, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Step:
        """A whole answer; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return cls.raw("\r\n".join([*lines, "", ""]).encode() + data, close=False)

    @staticmethod
    async def reset(writer: asyncio.StreamWriter) -> None:
        """Drop the connection with no answer."""
        writer.transport.abort()

    async def hang(self, writer: asyncio.StreamWriter) -> None:
        """Say nothing."""
        await self._stopped.wait()

    @staticmethod
    async def drip(writer: asyncio.StreamWriter) -> None:
        """Send a byte now and then, for ever."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)


@dataclass
class Recorder:
    """An observer that remembers, and a sleep that lets its time pass at once."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    errors: list[tuple[str, Reason]] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    slept: float = 0.0

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((endpoint, code))

    def error(self, endpoint: str, reason: Reason) -> None:
        self.errors.append((endpoint, reason))

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.slept += seconds
        await asyncio.sleep(0)

    def clock(self) -> float:
        """Monotonic seconds in which sleeps took their time."""
        return time.monotonic() + self.slept


MakeClient = Callable[..., Client]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


@pytest.fixture
def new_upstream() -> Callable[[], Upstream]:
    """Makes further servers, to be started and stopped by the test."""
    return Upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A server that answers `{}` until it is told otherwise."""
    server = Upstream()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def recorder() -> Recorder:
    """What the client under test counts and how long it sleeps."""
    return Recorder()


@pytest.fixture
async def client_of(recorder: Recorder) -> AsyncIterator[MakeClient]:
    """Makes clients of a base URL; arguments replace those of a plain account."""
    made: list[Client] = []

    def make(base_url: str, **changes: Any) -> Client:
        settings: dict[str, Any] = {
            "account": "prod",
            "base_url": base_url,
            "credentials": lambda: Secret(KEY),
            "headers": lambda secret: {"X-API-Key": secret.reveal()},
            "explain": lambda status, body: None,
            "limiter": Limiter(1000, recorder.clock),
            "observer": recorder,
            "clock": recorder.clock,
            "sleep": recorder.sleep,
            "jitter": lambda: 1.0,
        }
        made.append(Client(**settings | changes))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


@pytest.fixture
def client(client_of: MakeClient, upstream: Upstream) -> Client:
    """A client of `upstream`, whose base URL has a prefix."""
    return client_of(f"{upstream.url}/api/v1/")


@dataclass(frozen=True)
class Authority:
    """An authority that no system knows."""

    ca_file: Path
    server: ssl.SSLContext
    """For servers at 127.0.0.1."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for 127.0.0.1, and for no other name."""
    folder = tmp_path_factory.mktemp("authority")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(loopback, critical=False)
        .sign(key, hashes.SHA256())
    )
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(ca_file, key_file)
    return Authority(ca_file, server)
