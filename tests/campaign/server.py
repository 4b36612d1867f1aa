"""The hostile server: raw sockets, so that it can send what no HTTP library would."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import parse_qsl

from tests.campaign.vendor import Vendor, route_of
from tests.campaign.wire import End, Flood, Wait, Wire, whole

_LONGEST_HEAD = 256 * 1024
_PATIENCE = 120.0
"""Seconds after which an answer without end ends, though the client is still there."""


class HostileServer:
    """Serves a vendor's accounts below `/NAME`, on a thread of its own."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hostile-server", daemon=True)

    def start(self) -> None:
        """Listens on two ports of its own: the vendor's, and the one that is never to be called."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Ends the thread and all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def url(self, account: str) -> str:
        """The base URL of an account."""
        return f"{self.vendor.origin}/{account}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._started.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> None:
        options = {"limit": _LONGEST_HEAD, "backlog": 1024}
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, **options)
        canary = await asyncio.start_server(self._stray, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.vendor.origin = f"http://127.0.0.1:{self.port}"
        self.vendor.canary = f"http://127.0.0.1:{canary.sockets[0].getsockname()[1]}"

    async def _stray(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.vendor.strays.append("a call of another origin")
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                target = request.split(b" ", 2)[1].decode("latin-1")
                end = await _play(self._answer(target), reader, writer)
                if end is End.RESET:
                    _reset(writer)
                if end is not End.KEEP:
                    break
        writer.close()

    def _answer(self, target: str) -> Wire:
        path, _, query_text = target.partition("?")
        name, _, below = path.lstrip("/").partition("/")
        query = dict(parse_qsl(query_text, keep_blank_values=True, errors="replace"))
        account = self.vendor.accounts.get(name)
        route = route_of(f"/{below}", query)
        if account is None or route is None:
            return whole(b"{}", 410)
        return self.vendor.reply(account, route, target, query).wire


async def _play(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> End:
    """Sends an answer; returns how the connection ends."""
    for step in wire.steps:
        match step:
            case bytes():
                writer.write(step)
                await writer.drain()
            case Wait():
                await asyncio.sleep(step.seconds)
            case Flood():
                await _flood(step, writer)
    if wire.end is End.HANG:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await reader.read(1)
    return wire.end


async def _flood(flood: Flood, writer: asyncio.StreamWriter) -> None:
    end = asyncio.get_running_loop().time() + _PATIENCE
    while not writer.is_closing() and asyncio.get_running_loop().time() < end:
        writer.write(flood.part)
        await writer.drain()
        await asyncio.sleep(flood.pause)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection by RST rather than FIN."""
    raw = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
