"""What a web configuration file asks of every answer: authentication and headers."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox_exporter.web.auth import OverloadedError
from sandbox_exporter.web.live import LiveWebConfig

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="sandbox-exporter", charset="UTF-8"'}


def guard(app: ASGIApp, live: LiveWebConfig) -> ASGIApp:
    """An application behind the users and with the headers that the file names at the time."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        current = live.current()
        if headers := current.headers:
            send = _with_headers(send, headers)
        refusal = None
        if current.authenticator is not None:
            authorization = dict(scope["headers"]).get(b"authorization", b"")
            try:
                if not await current.authenticator.allows(authorization, scope["client"][0]):
                    refusal = PlainTextResponse("Unauthorized\n", 401, _CHALLENGE)
            except OverloadedError:
                refusal = PlainTextResponse("Too many logins at once\n", 503, {"Retry-After": "1"})
        await (refusal or app)(scope, receive, send)

    return guarded


def _with_headers(send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> Send:
    names = {name for name, _ in headers}

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [header for header in message["headers"] if header[0].lower() not in names]
            message = {**message, "headers": [*own, *headers]}
        await send(message)

    return send_with_headers
