"""A process that serves a page of many templates; prints its port.

`still` publishes once, `publishing` polls and publishes without a pause, `prometheus_client` makes
the text anew for each scrape, as that library's own application does.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from prometheus_client import make_asgi_app
from starlette.types import ASGIApp

from sandbox_exporter import __version__
from sandbox_exporter.commands.run import spare_collections
from sandbox_exporter.web.app import build_app
from sandbox_exporter.web.server import Server
from sandbox_exporter.web.site import Site
from tests.bench.programs.fleet import Chain
from tests.bench.programs.registry import fill


async def main(mode: str, templates: int) -> None:
    """Serves until it is killed."""
    chain = Chain(templates)
    spare_collections()
    await chain.poller.poll()
    await chain.publish()
    server = Server(_library(chain) if mode == "prometheus_client" else _own(chain))
    await server.start("127.0.0.1:0")
    print(server.port, flush=True)
    while mode == "publishing":
        await chain.poller.poll()
        await chain.publish()
    await asyncio.Event().wait()


def _own(chain: Chain) -> ASGIApp:
    publisher = chain.publisher
    return build_app(
        Site(
            version=__version__,
            page=lambda: publisher.page,
            snapshot=lambda: publisher.snapshot,
            scraped=publisher.scraped,
        )
    )


def _library(chain: Chain) -> ASGIApp:
    application: ASGIApp = make_asgi_app(fill(chain.snapshot()))
    return application


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
