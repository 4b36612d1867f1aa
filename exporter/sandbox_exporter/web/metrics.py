"""The `/metrics` endpoint: hands out prepared bytes.

It is plain ASGI, because a scrape costs little more than the copy of its bytes to the kernel, and
a framework's request and response objects would be the larger part of that.
"""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox_exporter.exposition.page import OPENMETRICS, TEXT
from sandbox_exporter.web.negotiate import Format, choose
from sandbox_exporter.web.protocol import GONE
from sandbox_exporter.web.site import Site

_Headers = tuple[tuple[bytes, bytes], ...]

_VARY = (b"vary", b"accept, accept-encoding")
_HEADERS: dict[tuple[Format, bool], _Headers] = {
    (form, gzip): (
        (b"content-type", content_type.encode("ascii")),
        *(((b"content-encoding", b"gzip"),) if gzip else ()),
        _VARY,
    )
    for form, content_type in ((Format.TEXT, TEXT), (Format.OPENMETRICS, OPENMETRICS))
    for gzip in (False, True)
}


def metrics_app(site: Site) -> ASGIApp:
    """The ASGI application that serves a site's page to scrapers; GET and HEAD only."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            refusal = PlainTextResponse("Method Not Allowed\n", 405, {"Allow": "GET, HEAD"})
            await refusal(scope, receive, send)
            return
        accept = encoding = b""
        for name, value in scope["headers"]:
            if name == b"accept":
                accept = accept + b"," + value if accept else value
            elif name == b"accept-encoding":
                encoding = encoding + b"," + value if encoding else value
        wanted = form, gzip = choose(accept, encoding)
        page = site.page()
        prepared = page.openmetrics if form is Format.OPENMETRICS else page.text
        length = len(prepared.gzip) if gzip else prepared.size
        headers = (*_HEADERS[wanted], (b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        for number, part in enumerate((prepared.gzip,) if gzip else prepared.parts()):
            if number:
                await asyncio.sleep(0)  # others have their turn, and a break is noticed
            await send({"type": "http.response.body", "body": part, "more_body": True})
        # The server takes no more before the client has taken nearly all of that, or has left.
        await send({"type": "http.response.body", "more_body": True})
        gone = scope.get("extensions", {}).get(GONE)
        if gone is None or not gone():
            site.scraped(page)
        await send({"type": "http.response.body"})

    return serve
