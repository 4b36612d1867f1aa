"""TLS contexts, and the one that always hands on to the newest."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class TLSSettings:
    """How the server proves itself, and what it asks of clients."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None
    client_auth: ssl.VerifyMode
    min_version: ssl.TLSVersion
    max_version: ssl.TLSVersion


def build_context(settings: TLSSettings) -> ssl.SSLContext:
    """A server's context. Raises `ValueError` that names the file which cannot be used and why."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = settings.min_version
    context.maximum_version = settings.max_version
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Given no password at all, OpenSSL would ask for an encrypted key's on the terminal.
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except OSError as error:
        raise ValueError(
            f"{settings.cert_file} and {settings.key_file} cannot be used ({_why(error)}), "
            "allowed: a certificate and its unencrypted key, both PEM"
        ) from None
    if settings.client_ca_file is not None:
        try:
            context.load_verify_locations(settings.client_ca_file)
        except OSError as error:
            raise ValueError(
                f"{settings.client_ca_file} cannot be used ({_why(error)}), "
                "allowed: PEM certificates"
            ) from None
    context.verify_mode = settings.client_auth
    return context


def _why(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or "not PEM").replace("_", " ").lower()


class LiveContext(ssl.SSLContext):
    """A context that serves each new connection with the newest one.

    Event loops ask their context for a TLS object once per connection, so a renewed certificate
    takes effect with the next connection and those that are open stay as they are.
    """

    _newest: Callable[[], ssl.SSLContext]

    def __new__(cls, newest: Callable[[], ssl.SSLContext]) -> Self:
        """Takes the source of the newest context, asked at each connection."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context._newest = newest
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """A TLS object of the newest context."""
        return self._newest().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
