from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.web import live

if TYPE_CHECKING:
    from tests.unit.web.conftest import Certificate, Serve

VERIFY = "  client_ca_file: clients.crt\n  client_auth_type: "


@pytest.fixture
def web_config(tmp_path: Path, server_files: str) -> Path:
    """A web configuration file with TLS."""
    path = tmp_path / "web.yml"
    path.write_text(server_files)
    return path


@pytest.fixture
def trust(tmp_path: Path, web_config: Path) -> ssl.SSLContext:
    """What a client needs to trust the server."""
    return ssl.create_default_context(cafile=tmp_path / "authority.crt")


def _get(url: str, context: ssl.SSLContext) -> str:
    return httpx.get(f"{url}/-/healthy", verify=context).text


def test_https(
    serve: Serve,
    web_config: Path,
    trust: ssl.SSLContext,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """With a certificate the server speaks HTTPS, and nothing else."""
    with serve(web_config=web_config, new_loop=new_loop) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert _get(server.url, trust) == "Healthy.\n"
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http"))


def test_oldest_version(serve: Serve, web_config: Path, trust: ssl.SSLContext) -> None:
    """A client that is older than the minimum version is refused."""
    web_config.write_text(web_config.read_text() + "  min_version: TLS13\n")
    old = ssl.create_default_context()
    old.load_verify_locations(cadata=None, cafile=web_config.parent / "authority.crt")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with serve(web_config=web_config) as server:
        assert _get(server.url, trust) == "Healthy.\n"
        with pytest.raises(httpx.ConnectError):
            _get(server.url, old)


@pytest.fixture
def client_certificates(
    tmp_path: Path, issue: Callable[..., Certificate]
) -> Callable[[ssl.SSLContext, bool], None]:
    """Gives a client a certificate: one of the authority that the server knows, or a stranger's."""
    clients, strangers = issue("clients"), issue("strangers")
    clients.write(tmp_path, "clients")
    issue("prometheus", clients).write(tmp_path, "prometheus")
    issue("stranger", strangers).write(tmp_path, "stranger")

    def load(context: ssl.SSLContext, known: bool) -> None:
        name = "prometheus" if known else "stranger"
        context.load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")

    return load


@pytest.mark.parametrize(
    ("client_auth_type", "without"),
    [("RequireAndVerifyClientCert", False), ("VerifyClientCertIfGiven", True)],
)
def test_client_certificates(
    serve: Serve,
    web_config: Path,
    trust: ssl.SSLContext,
    client_certificates: Callable[[ssl.SSLContext, bool], None],
    client_auth_type: str,
    without: bool,
) -> None:
    """Clients come in with a certificate of the right authority; without one where it may lack."""
    web_config.write_text(f"{web_config.read_text()}{VERIFY}{client_auth_type}\n")
    with serve(web_config=web_config) as server:
        if without:
            assert _get(server.url, trust) == "Healthy.\n"
        else:
            with pytest.raises(httpx.TransportError):
                _get(server.url, trust)
        client_certificates(trust, True)
        assert _get(server.url, trust) == "Healthy.\n"
        client_certificates(trust, False)
        with pytest.raises(httpx.TransportError):
            _get(server.url, trust)


def test_renewed_certificate(
    serve: Serve,
    web_config: Path,
    trust: ssl.SSLContext,
    issue: Callable[..., Certificate],
    monkeypatch: pytest.MonkeyPatch,
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """New connections see the renewed certificate, those that are open go on, nothing restarts."""
    monkeypatch.setattr(live, "LOOK_EVERY", 0.0)
    authority = issue("renewed authority")
    authority.write(web_config.parent, "renewed")
    renewed = ssl.create_default_context(cafile=web_config.parent / "renewed.crt")
    with serve(web_config=web_config, new_loop=new_loop) as server:
        with httpx.Client(base_url=server.url, verify=trust) as open_connection:
            assert open_connection.get("/-/healthy").status_code == 200
            issue("server", authority).write(web_config.parent, "server")
            assert _get(server.url, renewed) == "Healthy.\n"
            assert open_connection.get("/-/healthy").status_code == 200
        with pytest.raises(httpx.ConnectError):
            _get(server.url, trust)
        (web_config.parent / "server.crt").write_text("half a certi")
        assert _get(server.url, renewed) == "Healthy.\n"
