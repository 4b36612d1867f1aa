"""What a hostile server sends, as plain data: bytes, waits, and how the connection ends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is sent for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Flood:
    """The same bytes again and again, until the client leaves."""

    part: bytes
    pause: float = 0.0


class End(Enum):
    """What becomes of the connection after the last byte."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Wire:
    """One answer as it goes over the wire."""

    steps: tuple[bytes | Wait | Flood, ...]
    end: End = End.KEEP


def head(status: int | str = 200, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A status line and headers, with the empty line after them."""
    line = f"HTTP/1.1 {status}" if isinstance(status, str) else f"HTTP/1.1 {status} Reason"
    lines = [line, *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def answer(body: bytes, status: int | str = 200, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A whole answer whose length is told truly."""
    return head(status, [*headers, ("Content-Length", str(len(body)))]) + body


def whole(body: bytes, status: int | str = 200, headers: Iterable[tuple[str, str]] = ()) -> Wire:
    """A whole answer on a connection that stays."""
    return Wire((answer(body, status, headers),))


def encode(value: object) -> bytes:
    """JSON as vendors write it."""
    return json.dumps(value).encode()
