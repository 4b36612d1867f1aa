from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from sandbox_exporter.client import transport

HTTP = httpx.URL("http://127.0.0.1:9842/api")


def test_tls_is_verified_and_the_context_shared() -> None:
    """Servers and their names are always checked, and clients without a CA share certificates."""
    context = transport.tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert transport.tls_context() is context


def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    """The message says which file cannot be read."""
    with pytest.raises(ValueError, match=r"cannot read .*ca\.pem: No such file"):
        transport.tls_context(str(tmp_path / "ca.pem"))


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    """The message says which file is of no use."""
    path = tmp_path / "ca.pem"
    path.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match=r"ca\.pem holds no CA certificate in PEM format"):
        transport.tls_context(str(path))


def test_unusable_system_certificates_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that points nowhere is a clear mistake and no traceback."""
    ca_file = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with pytest.raises(ValueError, match="SSL_CERT_FILE or SSL_CERT_DIR: No such file"):
        transport.tls_context(str(ca_file))


@pytest.mark.parametrize("proxy", ["ftp://user:hidden@proxy", "socks5://user:hidden@proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable's scheme, never its value."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ValueError, match="the proxy variable for http is no http:// URL") as caught:
        transport.build(HTTP, ca_file="", connections=1)
    assert "hidden" not in str(caught.value)
