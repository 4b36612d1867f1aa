from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.client import transport

if TYPE_CHECKING:
    from tests.unit.client.conftest import Authority


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


HTTP = httpx.URL("http://vendor.invalid/api")


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


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_unusable_certificates_of_a_variable_are_named(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that points nowhere is a clear mistake and no traceback."""
    monkeypatch.setenv(variable, str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="SSL_CERT_FILE or SSL_CERT_DIR: No such file"):
        transport._new_context()


def test_a_ca_file_counts_alone(authority: Authority) -> None:
    """Whom the public authorities vouch for is not who was meant."""
    assert transport.tls_context(str(authority.ca_file)).cert_store_stats()["x509_ca"] == 1


def test_ca_files_of_one_content_share_a_context(authority: Authority, tmp_path: Path) -> None:
    """A thousand accounts need the certificates once; a file that changed counts as it is now."""
    copy = tmp_path / "ca.pem"
    copy.write_bytes(authority.ca_file.read_bytes())
    shared = transport.tls_context(str(authority.ca_file))
    assert transport.tls_context(str(copy)) is shared
    copy.write_text("another\n" + copy.read_text())
    assert transport.tls_context(str(copy)) is not shared


def test_a_file_that_a_variable_names_counts_alone(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for `ca_file`."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    assert transport._new_context().cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("where", ["file", "folder"])
def test_the_systems_store_is_the_default(
    where: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company that adds its own authority to the system need not tell the exporter."""
    (tmp_path / "0123abcd.0").write_bytes(authority.ca_file.read_bytes())
    paths = ssl.get_default_verify_paths()._replace(
        cafile=str(authority.ca_file) if where == "file" else "",
        capath=str(tmp_path) if where == "folder" else "",
    )
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)

    def load(context: ssl.SSLContext, _purpose: ssl.Purpose) -> None:
        context.load_verify_locations(paths.cafile or None, paths.capath or None)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    loaded = transport._new_context().cert_store_stats()["x509_ca"]
    assert loaded == (1 if where == "file" else 0), "a folder is read when a server is verified"


def test_without_a_store_the_packaged_authorities_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slim container images have none."""
    paths = ssl.get_default_verify_paths()._replace(cafile="", capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert transport._new_context().cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize("host", ["localhost", "127.8.9.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_loopback_host_has_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever form it is written."""
    monkeypatch.setenv("http_proxy", "http://proxy.invalid")
    assert transport._proxy(httpx.URL(f"http://{host}:9842")) is None
    assert transport._proxy(httpx.URL("http://192.0.2.1")) == "http://proxy.invalid"


@pytest.mark.parametrize("proxy", ["ftp://user:hidden@proxy", "socks5://user:hidden@proxy"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable's scheme, never its value."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ValueError, match="the proxy variable for http is no http:// URL") as caught:
        transport.build(HTTP, ca_file="", connections=1)
    assert "hidden" not in str(caught.value)
