"""The routes of the server, as one ASGI application."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox_exporter.web.landing import STYLE_HASH, landing_page, not_found_page
from sandbox_exporter.web.metrics import metrics_app
from sandbox_exporter.web.reload import reload_endpoint
from sandbox_exporter.web.site import Site

_PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
"""The pages show text from upstream: were an escape ever forgotten, nothing in it could run."""


def build_app(site: Site) -> ASGIApp:
    """Every route over a site: `/metrics`, `/`, `/-/healthy`, `/-/ready` and `/-/reload`."""
    metrics = metrics_app(site)
    pages = _pages(site)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Scrapes go first, past the framework: its layers cost several times what the answer does.
        if scope["path"] != "/metrics" or site.metrics_for == "none":
            await pages(scope, receive, send)
        elif site.metrics_for == "loopback" and not _is_local(scope):
            refusal = PlainTextResponse("Metrics are served on this machine only.\n", 403)
            await refusal(scope, receive, send)
        else:
            await metrics(scope, receive, send)

    return app


def _is_local(scope: Scope) -> bool:
    """Whether the client connected over a loopback address, IPv4 in IPv6 included."""
    host = ip_address(scope["client"][0].partition("%")[0])
    if isinstance(host, IPv6Address):
        return (host.ipv4_mapped or host).is_loopback
    return host.is_loopback


def _pages(site: Site) -> Starlette:
    async def landing(_request: Request) -> Response:
        return HTMLResponse(landing_page(site), headers=_PAGE_HEADERS)

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("Healthy.\n")

    async def ready(_request: Request) -> Response:
        shown = site.page().tried
        waiting = [
            item.account
            for item in site.snapshot().accounts
            # Where a page is served it tells, for it follows the snapshot.
            if not item.tried or (site.metrics_for != "none" and item.account not in shown)
        ]
        if waiting:
            return PlainTextResponse(f"Not ready: not tried yet: {', '.join(waiting)}\n", 503)
        return PlainTextResponse("Ready.\n")

    async def not_found(_request: Request, _error: Exception) -> Response:
        return HTMLResponse(not_found_page(), 404, _PAGE_HEADERS)

    app = Starlette(
        routes=[
            Route("/", landing),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            Route("/-/reload", reload_endpoint(site.reload), methods=["POST", "PUT"]),
        ],
        exception_handlers={404: not_found},
    )
    # Its redirects take the target's host from the request, which anybody can set.
    app.router.redirect_slashes = False
    return app
