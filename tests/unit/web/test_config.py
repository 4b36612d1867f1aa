"""Every `*.bad.yml` begins with the exact messages it must cause, as comments."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from sandbox_exporter.errors import ConfigError
from sandbox_exporter.web.config import read_web_config

if TYPE_CHECKING:
    from tests.unit.web.conftest import Certificate

FIXTURES = Path(__file__).parents[2] / "fixtures" / "web"


def _expected(path: Path) -> list[str]:
    lines = path.read_text().replace("{file}", str(path)).splitlines()
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")]


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.bad.yml")))
def test_each_mistake_is_named(name: str) -> None:
    """A wrong file causes exactly its messages: each mistake, its place and what is allowed."""
    path = FIXTURES / name
    with pytest.raises(ConfigError) as refused:
        read_web_config(path)
    assert str(refused.value).splitlines() == _expected(path)


def test_nothing_configured() -> None:
    """Sections without content, blank headers and `http2: true` ask for nothing."""
    config = read_web_config(FIXTURES / "everything_off.ok.yml")
    assert (config.tls, config.authenticator, config.headers) == (None, None, ())


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    """As with other exporters, a file of comments alone is fine."""
    path = tmp_path / "web.yml"
    path.write_text("# TLS comes later\n")
    assert read_web_config(path).tls is None


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"web\.yml: cannot be read: No such file or directory$"):
        read_web_config(tmp_path / "web.yml")


def test_headers(tmp_path: Path) -> None:
    """Configured headers are ready to be sent."""
    path = tmp_path / "web.yml"
    path.write_text("http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: '0'}}")
    assert read_web_config(path).headers == (
        (b"x-frame-options", b"deny"),
        (b"x-xss-protection", b"0"),
    )


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    """A password that was put in the place of its hash is in no message."""
    path = tmp_path / "web.yml"
    path.write_text("basic_auth_users: {alice: hunter2}")
    with pytest.raises(ConfigError) as refused:
        read_web_config(path)
    assert "hunter2" not in str(refused.value)


def _tls_file(folder: Path, **keys: str) -> Path:
    path = folder / "web.yml"
    lines = [f"  {key}: {value}\n" for key, value in keys.items()]
    path.write_text("tls_server_config:\n" + "".join(lines))
    return path


def test_relative_paths(tmp_path: Path, issue: Callable[..., Certificate]) -> None:
    """Certificates are looked for beside the file, wherever the process runs."""
    authority = issue("authority")
    issue("server", authority).write(tmp_path, "server")
    authority.write(tmp_path, "authority")
    config = read_web_config(
        _tls_file(
            tmp_path,
            cert_file="server.crt",
            key_file="server.key",
            client_ca_file="authority.crt",
            client_auth_type="VerifyClientCertIfGiven",
            max_version="TLS12",
        )
    )
    assert config.tls is not None
    assert config.tls.verify_mode is ssl.CERT_OPTIONAL
    assert config.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert config.tls.maximum_version is ssl.TLSVersion.TLSv1_2
    assert {path.name for path in config.files} == {
        "web.yml",
        "server.crt",
        "server.key",
        "authority.crt",
    }


def test_key_of_another_certificate(tmp_path: Path, issue: Callable[..., Certificate]) -> None:
    """A certificate and a key that do not belong together are told so."""
    authority = issue("authority")
    issue("server", authority).write(tmp_path, "server")
    issue("other", authority).write(tmp_path, "other")
    path = _tls_file(tmp_path, cert_file="server.crt", key_file="other.key")
    with pytest.raises(
        ConfigError, match=r"web\.yml:1: tls_server_config: .*\(key values mismatch\), allowed"
    ):
        read_web_config(path)


def test_encrypted_key(tmp_path: Path, issue: Callable[..., Certificate]) -> None:
    """An encrypted key is refused; nobody is asked for its password."""
    server = issue("server", issue("authority"))
    server.write(tmp_path, "server")
    (tmp_path / "server.key").write_bytes(
        server.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    path = _tls_file(tmp_path, cert_file="server.crt", key_file="server.key")
    with pytest.raises(ConfigError, match=r"a certificate and its unencrypted key, both PEM$"):
        read_web_config(path)


@pytest.mark.parametrize("content", ["", "no PEM", "-----BEGIN CERTIFICATE-----\n"])
def test_no_certificate(tmp_path: Path, issue: Callable[..., Certificate], content: str) -> None:
    """Files that hold no certificate are named, each by its key's mistake."""
    issue("server", issue("authority")).write(tmp_path, "server")
    (tmp_path / "bad.crt").write_text(content)
    keys = {"cert_file": "server.crt", "key_file": "server.key"}
    with pytest.raises(ConfigError, match=r"bad\.crt and .*server\.key cannot be used \("):
        read_web_config(_tls_file(tmp_path, **{**keys, "cert_file": "bad.crt"}))
    keys |= {"client_ca_file": "bad.crt", "client_auth_type": "RequireAndVerifyClientCert"}
    with pytest.raises(ConfigError, match=r"bad\.crt cannot be used \("):
        read_web_config(_tls_file(tmp_path, **keys))
