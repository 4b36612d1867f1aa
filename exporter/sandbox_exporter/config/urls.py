"""Checks of base URLs. No message shows the URL: it may hold credentials in any place."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from sandbox_exporter.config.section import Check

_ALLOWED = "an https:// URL with a host and without credentials, query or fragment"
_MAX_LENGTH = 2048
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")


def base_url(suffixes: tuple[str, ...], allow_insecure: bool) -> Check[str]:
    """A URL without a slash at its end, nor the first of `suffixes` that it ends in.

    Plain `http://` needs a loopback host or `allow_insecure`.
    """

    def check(value: object) -> str:
        url = _split(value)
        host = url.hostname or ""
        if url.scheme == "http" and not (allow_insecure or is_loopback(host)):
            raise ValueError(
                "http:// would send the API key unencrypted, allowed: https://, "
                "http:// to a loopback host, or allow_insecure_http: true for the account"
            )
        path = url.path.rstrip("/")
        suffix = next((each for each in suffixes if path.endswith(each)), "")
        return f"{url.scheme}://{url.netloc.lower().rstrip(':')}{path.removesuffix(suffix).rstrip('/')}"

    return check


def _split(value: object) -> SplitResult:
    if value is None:
        raise ValueError(f"is missing, allowed: {_ALLOWED}")
    if not isinstance(value, str):
        raise ValueError(f"is not text, allowed: {_ALLOWED}")
    if len(value) > _MAX_LENGTH:
        raise ValueError(f"has more than {_MAX_LENGTH} characters, allowed: {_ALLOWED}")
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise ValueError(f"holds characters that no URL has, allowed: {_ALLOWED}")
    if "@" in value:
        raise ValueError(f"holds credentials, allowed: {_ALLOWED}")
    if "?" in value or "#" in value:
        raise ValueError(f"has a query or a fragment, allowed: {_ALLOWED}")
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError(f"has a malformed host or port, allowed: {_ALLOWED}") from None
    if url.scheme not in ("http", "https"):
        raise ValueError(f"is neither http:// nor https://, allowed: {_ALLOWED}")
    if port == 0 or not _is_host(url.hostname or ""):
        raise ValueError(f"has a malformed host or port, allowed: {_ALLOWED}")
    return url


def _is_host(host: str) -> bool:
    if ":" in host or host.rpartition(".")[2].isdecimal():
        return _address(host) is not None
    return _HOST_NAME.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: localhost, 127.0.0.0/8 or ::1, mapped to IPv6 or not."""
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    name = host.lower().removesuffix(".")
    return name == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
