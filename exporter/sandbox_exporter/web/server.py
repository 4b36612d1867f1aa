"""The listening server: uvicorn inside the running event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox_exporter.web.acceptor import Acceptor
from sandbox_exporter.web.guard import guard
from sandbox_exporter.web.limits import MOST_CONNECTIONS
from sandbox_exporter.web.listen import bind
from sandbox_exporter.web.live import LiveWebConfig
from sandbox_exporter.web.protocol import BoundedProtocol
from sandbox_exporter.web.tls import LiveContext

IDLE_TIMEOUT = 150
"""Seconds that an idle connection stays open: past two scrapes at the usual minute."""
GRACE = 5
"""Seconds that answers under way get to finish when the server stops."""
_PIECE = 64 * 1024
"""Bytes of an answer that are handed to the system at a time."""
_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
"""Of every answer, also of those that the server gives by itself, such as 400."""


class Server:
    """Serves an application on one address. Leaves signals to the program around it."""

    def __init__(
        self,
        app: ASGIApp,
        web_config_file: Path | None = None,
        reloaded: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`reloaded` is told whether a changed web configuration file is in force.

        Raises `ConfigError` with every mistake in that file.
        """
        live = None if web_config_file is None else LiveWebConfig(web_config_file, reloaded)
        protections = {} if live is None else live.current().protections
        on = [name for name, is_on in protections.items() if is_on]
        self.tls = "on" if "tls_server_config" in on else "off"
        """Whether connections are encrypted, for the log."""
        ways = {
            "tls_server_config.client_auth_type": "certificates",
            "basic_auth_users": "passwords",
        }
        self.authentication = "+".join(ways[name] for name in on if name in ways) or "off"
        """How clients prove who they are, for the log."""
        self._context = None if live is None else _context(live)
        self._scheme = "http" if self._context is None else "https"
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                _in_pieces(app if live is None else guard(app, live)),
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                headers=_HEADERS,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_TIMEOUT,
                timeout_graceful_shutdown=GRACE,
                limit_concurrency=MOST_CONNECTIONS,
            )
        )
        self._acceptor: Acceptor | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._address: tuple[str, int] = ("", 0)

    async def start(self, listen: str) -> None:
        """Listens on `HOST:PORT`; see `bind` for the forms and the errors it raises."""
        socket = bind(listen)
        self._address = socket.getsockname()[:2]
        config = self._uvicorn.config
        config.load()
        self._uvicorn.lifespan = config.lifespan_class(config)
        self._uvicorn.servers = []  # connections come from the acceptor
        await self._uvicorn.on_tick(0)
        self._ticking = asyncio.create_task(self._uvicorn.main_loop())
        self._acceptor = Acceptor(socket, self._protocol, self._context)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port listened on, also when port 0 left the choice to the system."""
        return self._address[1]

    @property
    def url(self) -> str:
        """Where the server is reached from this machine."""
        host = ip_address(self._address[0].partition("%")[0])
        if host.is_unspecified:
            host = ip_address("127.0.0.1")
        return f"{self._scheme}://{f'[{host}]' if host.version == 6 else host}:{self.port}"

    async def stop(self) -> None:
        """Stops listening, lets answers under way finish, closes what is open."""
        if self._acceptor is not None and self._ticking is not None:
            await self._acceptor.close()
            self._ticking.cancel()
            await self._uvicorn.shutdown()
            for connection in list(self._uvicorn.server_state.connections):
                connection.transport.abort()  # its client has not read its answer until now
            await asyncio.sleep(0)

    def _protocol(self) -> asyncio.Protocol:
        return BoundedProtocol(self._uvicorn.config, self._uvicorn.server_state, {})


def _in_pieces(app: ASGIApp) -> ASGIApp:
    """An application whose large answers wait for the client to read, piece by piece.

    Handed over whole, a page would be copied and encrypted for each client, read or not.
    """

    async def in_pieces(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_pieces(message: Message) -> None:
            body = memoryview(message.get("body", b""))
            more = {"type": "http.response.body", "more_body": True}
            while len(body) > _PIECE:
                await send({**more, "body": body[:_PIECE]})
                body = body[_PIECE:]
                message = {**message, "body": body}
            await send(message)

        await app(scope, receive, send_in_pieces)

    return in_pieces


def _context(live: LiveWebConfig) -> ssl.SSLContext | None:
    first = live.current().tls
    return None if first is None else LiveContext(lambda: live.current().tls or first)
