"""The HTTP protocol of the server: uvicorn's, with bounds on what a client may make it hold."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_REQUEST = 64 * 1024
"""Bytes of a request, its body included: no route here uses one."""
MOST_HEADERS = 100
"""Headers of a request; each costs far more memory than its bytes."""
MOST_PIPELINED = 16
"""Requests that wait for the answers to earlier ones on the same connection."""
SLOWEST_REQUEST = 10.0
"""Seconds in which a client must have sent its request once it has connected or begun one."""
SLOWEST_READER = 10.0
"""Seconds in which a client must have taken what waits to be sent to it."""
GONE = "sandbox_exporter.gone"
"""ASGI extension: a function that tells whether the connection is broken or being closed.

The event that says so comes some turns of the event loop after the write that failed.
"""
MOST_UNSENT = 64 * 1024
"""Bytes that wait for a client to read before the application has to wait too."""
_turns = count(1)


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose clients send too much, too slowly, or do not read.

    uvicorn has a timeout for idle connections only, its fast parser has no bound on headers, and
    at its limit of connections it refuses newcomers. Here the connection whose client has been
    waited for longest gives way to the newcomer.
    """

    turn = 0
    """Rises from one turn of a client, on whatever connection, to the next."""
    _unfinished = 0

    @property
    def waits(self) -> bool:
        """Whether it is the client's turn: to send a request, or to read an answer."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is None or cycle.response_complete or cycle.more_body:
            return True
        return self.flow.write_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time that the first request has."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(MOST_UNSENT)
        self.headers = []
        self.turn = next(_turns)
        self._request_deadline = _Deadline(transport)
        self._read_deadline = _Deadline(transport)
        self._request_deadline.start(SLOWEST_REQUEST)
        if self.client is None:  # hung up already
            transport.abort()
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Takes a piece of a request, unless the request has grown too large."""
        self._unfinished += len(data)
        if self._unfinished > LARGEST_REQUEST:
            self.send_400_response("Request too large.\n")
            return
        super().data_received(data)
        if self._unfinished:
            self._request_deadline.start(SLOWEST_REQUEST)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header, unless there are too many."""
        if len(self.headers) >= MOST_HEADERS:
            raise ValueError("too many headers")  # uvicorn answers 400 and closes
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts the answer, or lets it wait for earlier ones, unless too many wait already."""
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many pipelined requests")  # uvicorn answers 400 and closes
        self.scope["extensions"] = {GONE: self.transport.is_closing}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends the bounds of the request that has come in whole."""
        self._unfinished = 0
        self._request_deadline.stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Starts the time that the connection may be idle, or the time that it has to close."""
        self.turn = next(_turns)
        super().on_response_complete()
        self._expect_close()

    def pause_writing(self) -> None:
        """Starts the time that the client has to read."""
        super().pause_writing()
        self.turn = next(_turns)
        self._read_deadline.start(SLOWEST_READER)

    def resume_writing(self) -> None:
        """Ends it, unless the connection is being closed."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._read_deadline.stop()

    def send_400_response(self, msg: str) -> None:
        """Refuses what cannot be read, and closes."""
        if not self.transport.is_closing():
            super().send_400_response(msg)
            self._expect_close()

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection."""
        super().timeout_keep_alive_handler()
        self._expect_close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the deadlines together with the connection."""
        self._request_deadline.stop()
        self._read_deadline.stop()
        super().connection_lost(exc)

    def _expect_close(self) -> None:
        """A transport that is closed stays open until the client has taken what is unsent."""
        if self.transport.is_closing():
            self._read_deadline.start(SLOWEST_READER)

    def _make_room(self) -> None:
        others = (other for other in self.connections if other is not self)
        waiting = [other for other in others if isinstance(other, BoundedProtocol) and other.waits]
        if waiting:
            oldest = min(waiting, key=lambda other: other.turn)
            self.connections.discard(oldest)
            oldest.transport.abort()


class _Deadline:
    """Aborts a connection unless it is stopped in time. Started again, it keeps its time."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self._transport.abort)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
