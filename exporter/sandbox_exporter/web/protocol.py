"""The HTTP protocol of the server: uvicorn's, with bounds on what a client may make it hold."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_REQUEST = 64 * 1024
"""Bytes of a request, its body included: no route here reads one."""
SLOWEST_REQUEST = 10.0
"""Seconds in which a client must have sent its request once it has connected or begun one."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose requests grow too large or come in too slowly.

    uvicorn has a timeout for idle connections only, and its fast parser has no bound on headers.
    """

    _unfinished = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time that the first request has."""
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Takes a piece of a request, unless the request has grown too large."""
        self._unfinished += len(data)
        if self._unfinished > LARGEST_REQUEST:
            self.send_400_response("Request too large.\n")
            return
        super().data_received(data)
        if self._unfinished:
            self._expect_request()

    def on_message_complete(self) -> None:
        """Ends the bounds of the request that has come in whole."""
        self._unfinished = 0
        self._stop_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the deadline together with the connection."""
        self._stop_deadline()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(SLOWEST_REQUEST, self.transport.abort)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
