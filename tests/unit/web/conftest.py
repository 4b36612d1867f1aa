"""A server on a real socket, in a thread with an event loop of its own, and what it serves."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox_exporter.exposition.page import Body, Page
from sandbox_exporter.snapshot import Snapshot
from sandbox_exporter.web.app import build_app
from sandbox_exporter.web.server import Server
from sandbox_exporter.web.site import Site

TEXT, OPENMETRICS = b"text " * 50, b"openmetrics " * 50
PAGE = Page(
    text=Body(gzip.compress(TEXT), len(TEXT)),
    openmetrics=Body(gzip.compress(OPENMETRICS), len(OPENMETRICS)),
)


@dataclass
class FakeExporter:
    """Stands in for the rest of the exporter, and notes what the server asks of it."""

    page: Page = PAGE
    snapshot: Snapshot = field(default_factory=Snapshot)
    refusal: Exception | None = None
    calls: list[str] = field(default_factory=list)

    def get_page(self) -> Page:
        self.calls.append("page")
        return self.page

    def get_snapshot(self) -> Snapshot:
        self.calls.append("snapshot")
        return self.snapshot

    async def reload(self) -> None:
        self.calls.append("reload")
        if self.refusal is not None:
            raise self.refusal

    def site(self, reload: Callable[[], Awaitable[None]] | None = None) -> Site:
        return Site(
            version="1.2.3",
            page=self.get_page,
            snapshot=self.get_snapshot,
            reload=reload,
            scraped=lambda _: self.calls.append("scraped"),
        )


@pytest.fixture
def exporter() -> FakeExporter:
    """An exporter with no accounts."""
    return FakeExporter()


Serve = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def serve(exporter: FakeExporter) -> Serve:
    """Starts a server for the length of a `with`; by default one of `exporter` with reloads off."""

    @contextmanager
    def start(
        site: Site | None = None,
        web_config: Path | None = None,
        listen: str = "127.0.0.1:0",
        new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> Iterator[Server]:
        server = Server(build_app(site or exporter.site()), web_config)
        loop = new_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(server.start(listen), loop).result(120)
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(120)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(120)
            loop.close()

    return start


Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def until() -> Until:
    """Waits until something is true; fails the test when it is not after ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    return wait


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """Both event loops that the exporter may run in."""
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    return factory


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in memory."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Writes `NAME.crt` and `NAME.key` as PEM; returns both paths."""
        cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
        cert_file.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_file, key_file


def _issue(name: str, issuer: Certificate | None = None) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer:
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        builder = builder.add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
    cert = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Certificate(cert, key)


@pytest.fixture(scope="session")
def issue() -> Callable[..., Certificate]:
    """Makes a certificate: of an authority, or with an issuer one for 127.0.0.1."""
    return _issue


@pytest.fixture
def page() -> Page:
    """What the stand-in publishes."""
    return PAGE


@pytest.fixture
def server_files(tmp_path: Path) -> str:
    """The TLS section for a web configuration file in `tmp_path`; writes what it names."""
    authority = _issue("authority")
    authority.write(tmp_path, "authority")
    _issue("server", authority).write(tmp_path, "server")
    return "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
