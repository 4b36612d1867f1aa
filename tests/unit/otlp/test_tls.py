from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.otlp_receiver import Tls, grpc_collector, http_collector

if TYPE_CHECKING:
    from tests.unit.otlp.conftest import Connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """A certificate for this machine that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Tls(tmp_path / "collector.pem", tmp_path / "collector.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates_are_verified_by_the_authority_that_is_named(
    tls: Tls, protocol: str, connect: Connect, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    """A collector with a private authority is reached with it, and nobody else is trusted."""
    started = http_collector(tls) if protocol == "http/protobuf" else grpc_collector(tls)
    with started as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # means nothing to OTLP
        if trusted:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tls.certificate))
        async with asyncio.timeout(20):
            await connect().close()

    assert bool(collector.metrics) is trusted
