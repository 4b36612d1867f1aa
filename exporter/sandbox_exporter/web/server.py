"""The listening server: uvicorn inside the running event loop."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from sandbox_exporter.web.guard import guard
from sandbox_exporter.web.listen import bind
from sandbox_exporter.web.live import LiveWebConfig
from sandbox_exporter.web.protocol import BoundedProtocol
from sandbox_exporter.web.tls import LiveContext

IDLE_TIMEOUT = 150
"""Seconds that an idle connection stays open: past two scrapes at the usual minute."""
GRACE = 5
"""Seconds that answers under way get to finish when the server stops."""
MOST_CONNECTIONS = 500
"""Requests beyond so many connections are answered 503, so that polling never lacks sockets."""


class Server:
    """Serves an application on one address. Leaves signals to the program around it."""

    def __init__(self, app: ASGIApp, web_config_file: Path | None = None) -> None:
        """Raises `ConfigError` with every mistake in the web configuration file."""
        live = None if web_config_file is None else LiveWebConfig(web_config_file)
        context = None if live is None else _context(live)
        self._scheme = "http" if context is None else "https"
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app if live is None else guard(app, live),
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_TIMEOUT,
                timeout_graceful_shutdown=GRACE,
                limit_concurrency=MOST_CONNECTIONS,
                ssl_context_factory=None if context is None else lambda *_: context,
            )
        )
        self._ticking: asyncio.Task[None] | None = None
        self._address: tuple[str, int] = ("", 0)

    async def start(self, listen: str) -> None:
        """Listens on `HOST:PORT`; see `bind` for the forms and the errors it raises."""
        socket = bind(listen)
        self._address = socket.getsockname()[:2]
        config = self._uvicorn.config
        config.load()
        self._uvicorn.lifespan = config.lifespan_class(config)
        await self._uvicorn.startup([socket])
        self._ticking = asyncio.create_task(self._uvicorn.main_loop())

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
        if self._ticking is not None:
            self._ticking.cancel()
            await self._uvicorn.shutdown()


def _context(live: LiveWebConfig) -> ssl.SSLContext | None:
    first = live.current().tls
    return None if first is None else LiveContext(lambda: live.current().tls or first)
