"""One request and its answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

import httpx

from sandbox_exporter import __version__
from sandbox_exporter.client import body, leftover, transport
from sandbox_exporter.errors import Reason, UpstreamError

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
ATTEMPT_SECONDS = 30.0
"""Bound on a whole attempt, for servers that drip."""

_EXTENSIONS = {
    "timeout": {
        "connect": CONNECT_SECONDS,
        "read": READ_SECONDS,
        "write": READ_SECONDS,
        "pool": None,
    }
}
_REGISTERED = frozenset(map(int, HTTPStatus))
_HEADERS = {
    "User-Agent": f"sandbox-usage-exporter/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
}


class Observer(Protocol):
    """Who counts upstream calls."""

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """A request was sent, a retry or a redirect's target included.

        `code` is the HTTP status, the class of one that nobody registered (`5xx`), or the reason
        when no whole answer came (`timeout`, `connect`).
        """
        ...

    def error(self, endpoint: str, reason: Reason) -> None:
        """An attempt failed, whether or not it is tried again; or a call was refused unsent."""
        ...


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: httpx.Headers
    value: object
    """The decoded body; None when the status is no success and the body no JSON."""
    request_id: str
    """The id by which the vendor knows the request, else the one that was sent."""


class Exchange:
    """Sends single requests over one pool of connections and counts each."""

    def __init__(
        self, base_url: httpx.URL, *, ca_file: str, connections: int, observer: Observer
    ) -> None:
        self._transport = transport.build(base_url, ca_file=ca_file, connections=connections)
        self.proxy_password = transport.proxy_password(base_url)
        self._observer = observer

    async def get(
        self, endpoint: str, url: httpx.URL, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """The answer, whatever its status, within `seconds`.

        Raises `UpstreamError` when no whole answer came, or a success that cannot be read.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        request_id = str(uuid.uuid4())
        request = httpx.Request(
            "GET",
            url,
            headers={**_HEADERS, **headers, "X-Request-ID": request_id},
            extensions=_EXTENSIONS,
        )
        try:
            answer = await self._answer(request, min(seconds, ATTEMPT_SECONDS))
        except UpstreamError as error:
            error.request_id = error.request_id or request_id
            code = _code(error.status) if error.status else str(error.reason)
            self._observer.request(endpoint, code, clock() - started)
            raise
        self._observer.request(endpoint, _code(answer.status), clock() - started)
        return answer

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    async def _answer(self, request: httpx.Request, seconds: float) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    answer = await _receive(response, request.headers["X-Request-ID"])
                    if leftover.is_left(response):
                        await response.extensions["network_stream"].aclose()
                    return answer
                finally:
                    await response.aclose()
        except TimeoutError:
            raise UpstreamError(Reason.TIMEOUT, f"no whole answer within {seconds:.1f} s") from None
        except httpx.TransportError as error:
            raise _unanswered(error, request.url.netloc.decode("ascii")) from None


async def _receive(response: httpx.Response, sent_id: str) -> Answer:
    status, headers = response.status_code, response.headers
    value: object = None
    try:
        raw = await body.read(response)
        value = body.parse(body.decompress(raw, headers.get("Content-Encoding", "")))
    except (UpstreamError, httpx.TransportError) as error:
        # Any other status says enough by itself.
        if 200 <= status < 300:
            if isinstance(error, UpstreamError):
                error.status = status
                error.request_id = _request_id(headers, None) or sent_id
            raise
    return Answer(status, headers, value, _request_id(headers, value) or sent_id)


def _code(status: int) -> str:
    """The status as it is counted: a vendor that makes up statuses makes only a few series."""
    return str(status) if status in _REGISTERED else f"{status // 100}xx"


def _request_id(headers: httpx.Headers, value: object) -> str:
    found = headers.get("X-Request-ID")
    if not found and isinstance(value, dict):
        found = value.get("request_id")
    return found if isinstance(found, str) and len(found) <= 128 and found.isprintable() else ""


def _unanswered(error: httpx.TransportError, host: str) -> UpstreamError:
    why = str(error) or type(error).__name__
    match error:
        case httpx.ConnectTimeout():
            return UpstreamError(
                Reason.TIMEOUT, f"no connection to {host} within {CONNECT_SECONDS:g} s"
            )
        case httpx.TimeoutException():
            return UpstreamError(Reason.TIMEOUT, f"{host} was silent for {READ_SECONDS:g} s")
        case httpx.LocalProtocolError():
            # Its text may quote the header that could not be sent.
            return UpstreamError(Reason.CONNECT, "a header holds what HTTP cannot carry")
        case httpx.ConnectError() | httpx.ProxyError():
            return UpstreamError(Reason.CONNECT, f"cannot connect to {host}: {why}")
    return UpstreamError(Reason.CONNECT, f"the connection to {host} broke: {why}")
