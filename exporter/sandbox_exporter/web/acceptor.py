"""Accepts connections and leads them through their TLS handshake, a bounded number at a time."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from sandbox_exporter.web.limits import MOST_HANDSHAKES

_log = logging.getLogger(__name__)

SLOWEST_HANDSHAKE = 10.0
"""Seconds in which a client must have finished its handshake."""
SLOWEST_GOODBYE = 5.0
"""Seconds in which a client must have answered the end of its TLS session."""
_BACKLOG = 2048
_PAUSE = 1.0
"""Seconds until the next attempt when the system has no descriptor or memory left."""


class Acceptor:
    """Takes connections from a listening socket.

    asyncio's own server hands on a connection only after its handshake, so that nobody would count
    those that never finish theirs.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
    ) -> None:
        """Makes a `protocol` for each connection; without a `context` there is no TLS."""
        self._socket = listening
        self._protocol = protocol
        self._context = context
        self._opening: dict[asyncio.Task[object], None] = {}
        self._accepting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to accept."""
        self._socket.setblocking(False)
        self._socket.listen(_BACKLOG)
        self._accepting = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Frees the address and drops connections that are not open yet."""
        tasks = [*self._opening]
        if self._accepting is not None:
            tasks.append(self._accepting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        fails = False
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError as error:
                if not fails:
                    _log.warning("cannot accept connections: %s", error.strerror)
                fails = True
                await asyncio.sleep(_PAUSE)
                continue
            if fails:
                _log.info("connections are accepted again")
            fails = False
            task: asyncio.Task[object] = asyncio.create_task(self._open(connection))
            self._opening[task] = None
            task.add_done_callback(partial(self._opened, connection))
            if len(self._opening) > MOST_HANDSHAKES:
                oldest = next(iter(self._opening))
                del self._opening[oldest]
                oldest.cancel()
            # An accept that need not wait does not let others run.
            await asyncio.sleep(0)

    def _opened(self, connection: socket.socket, task: asyncio.Task[object]) -> None:
        self._opening.pop(task, None)
        if task.cancelled():
            connection.close()

    async def _open(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        limits = (SLOWEST_HANDSHAKE, SLOWEST_GOODBYE) if self._context else (None, None)
        # A failed handshake: no TLS, an old version, no certificate, too slow, hung up.
        with suppress(OSError):
            await loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=limits[0],
                ssl_shutdown_timeout=limits[1],
            )
