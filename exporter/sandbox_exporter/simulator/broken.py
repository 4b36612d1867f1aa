"""Answers that break HTTP or the client's patience."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import zlib
from collections.abc import Mapping
from typing import cast

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox_exporter.simulator.faults import Fault, Kind

TRANSPORT = "sandbox_exporter.transport"
"""The scope extension in which the simulator's own server hands out the connection."""

_PIECES = 50
_CHUNK = b" " * 2**20


def broken(fault: Fault, content: bytes, headers: Mapping[str, str]) -> ASGIApp:
    """The answer that a fault makes of a good one, as an application that sends it."""
    good = Response(content, headers=headers, media_type="application/json")
    if fault.kind is Kind.RESET:
        return _reset
    if fault.kind is Kind.TRUNCATED:
        return _truncated(good)
    if fault.kind is Kind.DRIP:
        return _dripping(good, fault.seconds)
    if fault.kind is Kind.GARBAGE:
        return Response("<html>Bad gateway?</html>", headers=headers, media_type="text/html")
    if fault.kind is Kind.GZIP_BOMB:
        packed = {**headers, "Content-Encoding": "gzip"}
        return Response(_bomb(content, fault.size), headers=packed, media_type="application/json")
    return good


async def _reset(scope: Scope, receive: Receive, _send: Send) -> None:
    transport = _transport(scope)
    raw = transport.get_extra_info("socket")
    # A linger time of 0 makes the kernel send RST in the place of FIN.
    with socket.socket(fileno=os.dup(raw.fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await _hang_up(transport, receive)


def _truncated(good: Response) -> ASGIApp:
    async def send_half(scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(good.body)
        await send(_start(good))
        await send(_body(body[: len(body) // 2], more=True))
        await _hang_up(_transport(scope), receive)

    return send_half


def _dripping(good: Response, seconds: float) -> ASGIApp:
    async def send_slowly(_scope: Scope, _receive: Receive, send: Send) -> None:
        body = bytes(good.body)
        step = -(-len(body) // _PIECES)
        await send(_start(good))
        for position in range(0, len(body), step):
            await send(_body(body[position : position + step], more=True))
            await asyncio.sleep(seconds / _PIECES)
        await send(_body(b"", more=False))

    return send_slowly


def _start(response: Response) -> dict[str, object]:
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }


def _body(body: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get("extensions", {}).get(TRANSPORT)
    if transport is None:
        raise ConnectionResetError("only the simulator's own server can break connections")
    return cast(asyncio.Transport, transport)


async def _hang_up(transport: asyncio.Transport, receive: Receive) -> None:
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _bomb(content: bytes, size: int) -> bytes:
    """`content` after `size` bytes of white space, as gzip; never held unpacked."""
    packer = zlib.compressobj(level=9, wbits=31)
    chunks = [packer.compress(_CHUNK) for _ in range(size // len(_CHUNK))]
    chunks.append(packer.compress(b" " * (size % len(_CHUNK)) + content))
    return b"".join([*chunks, packer.flush()])
