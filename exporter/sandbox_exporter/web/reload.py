"""`POST /-/reload`: who may cause a reload, and how many run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from sandbox_exporter.errors import ConfigError

Reload = Callable[[], Awaitable[None]]
"""Reloads the configuration; raises `ConfigError` when it is refused."""


def reload_endpoint(reload: Reload | None) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of a reload; None forbids all."""
    shared = None if reload is None else SharedReload(reload)

    async def endpoint(request: Request) -> Response:
        if shared is None:
            return PlainTextResponse("Reloads are off; --web.enable-lifecycle allows them.\n", 403)
        if _is_cross_site(request.headers):
            return PlainTextResponse("A page of another origin cannot cause a reload.\n", 403)
        try:
            async for _ in request.stream():
                pass  # a body says nothing here, but half a request is none
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        try:
            await shared()
        except ConfigError as error:
            return PlainTextResponse(f"Refused, the old configuration stays:\n{error}\n", 500)
        return PlainTextResponse("Reloaded.\n")

    return endpoint


class SharedReload:
    """One reload at a time. Those asked for meanwhile share the next, which sees what they see."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Returns after a reload that began no earlier than this call; raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._run())
        # A client that hangs up does not end the reload of others.
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._one_at_a_time:
            self._next = None
            await self._reload()


def _is_cross_site(headers: Headers) -> bool:
    """Whether a browser sent the request for a page of another origin.

    Browsers say so in `Sec-Fetch-Site`, older ones name the origin; other clients send neither.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site not in ("same-origin", "none")
    host = headers.get("host")
    return any(origin.partition("://")[2] != host for origin in headers.getlist("origin"))
