from __future__ import annotations

import socket

import pytest

from sandbox_exporter.web.listen import bind


@pytest.mark.parametrize(
    ("listen", "reached"),
    [
        ("127.0.0.1:0", ["127.0.0.1"]),
        ("0.0.0.0:0", ["127.0.0.1"]),
        ("localhost:0", ["localhost"]),
        ("[::1]:0", ["::1"]),
        ("[::]:0", ["127.0.0.1", "::1"]),
        (":0", ["127.0.0.1", "::1"]),
    ],
)
def test_forms(listen: str, reached: list[str]) -> None:
    """Every form of address that exporters take listens where it says."""
    with bind(listen) as listening:
        port = listening.getsockname()[1]
        for host in reached:
            socket.create_connection((host, port), timeout=5).close()


def test_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6 an address with no host still means every address it has."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with bind(":0") as listening:
        assert listening.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    "listen", ["", "9841", "127.0.0.1", "::1:9841", "host:", "host:port", "host:65536", "[::1]9841"]
)
def test_malformed(listen: str) -> None:
    """An address that cannot be read is named, with the forms that can."""
    with pytest.raises(ValueError, match="is not an address to listen on, allowed: HOST:PORT"):
        bind(listen)


def test_port_in_use() -> None:
    """A port that somebody else has is one clear line."""
    with bind("127.0.0.1:0") as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=rf"^cannot listen on {listen}: Address already in use$"):
            bind(listen)


def test_unknown_host() -> None:
    """A host name that does not resolve is one clear line."""
    with pytest.raises(OSError, match=r"^cannot listen on no-such-host.invalid:1: [^\n]+$"):
        bind("no-such-host.invalid:1")
