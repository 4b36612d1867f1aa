"""Listening sockets from addresses as the flags of Prometheus exporters write them."""

from __future__ import annotations

import re
import socket

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>\d{1,5})")
_ALLOWED = "HOST:PORT, :PORT or [IPV6]:PORT with a port from 0 to 65535"


def parse_address(listen: str) -> tuple[str, int]:
    """Host (empty for every address) and port of an address; raises `ValueError` naming it."""
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{listen!r} is not an address to listen on, allowed: {_ALLOWED}")
    return match["v6"] or match["host"] or "", int(match["port"])


def bind(listen: str) -> socket.socket:
    """A listening socket. No host, or `[::]`, means every address, IPv4 and IPv6.

    Raises `ValueError` for an address that cannot be read, `OSError` for one that cannot be
    listened on; either message is one line that names the address.
    """
    host, port = parse_address(listen)
    try:
        listening = _listen(host, port)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise OSError(f"cannot listen on {listen}: {why}") from None
    # Connections inherit this. asyncio would set it, but not on sockets made without naming TCP;
    # without it a body waits for the client to acknowledge the headers, up to 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _listen(host: str, port: int) -> socket.socket:
    if host in ("", "::") and socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET
    if host:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family)
