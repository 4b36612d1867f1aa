"""`sandbox-exporter run`: the daemon, its pages and its signals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop

from sandbox_exporter import __version__
from sandbox_exporter.commands.settings import load
from sandbox_exporter.config.model import Config
from sandbox_exporter.daemon import Daemon
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.web.app import build_app
from sandbox_exporter.web.server import Server
from sandbox_exporter.web.site import Site

log = logging.getLogger("sandbox_exporter")


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; reloads on SIGHUP."""
    web_config_file = Path(options.web_config_file) if options.web_config_file else None
    reread = partial(load, options.config_file)
    uvloop.run(
        serve(
            reread(),
            reread,
            options.listen,
            web_config_file=web_config_file,
            lifecycle=options.lifecycle,
        )
    )
    return 0


async def serve(
    config: Config,
    reread: Callable[[], Config],
    listen: str,
    *,
    web_config_file: Path | None = None,
    lifecycle: bool = False,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Polls and serves until a signal says to end; `announce` is told the address."""
    daemon = Daemon(config, reread)
    site = Site(
        version=__version__,
        page=lambda: daemon.publisher.page,
        snapshot=lambda: daemon.publisher.snapshot,
        reload=daemon.reload if lifecycle else None,
        scraped=daemon.publisher.scraped,
    )
    server = Server(build_app(site), web_config_file)
    await server.start(listen)
    try:
        await daemon.start()
        log.info("serving", extra={"address": server.url, "accounts": len(config.accounts)})
        if announce is not None:
            announce(server.url)
        gc.freeze()  # what start-up made stays; collections need not look at it again
        await _until_told_to_end(daemon)
    finally:
        await server.stop()
        await daemon.stop()
    log.info("ended")


async def _until_told_to_end(daemon: Daemon) -> None:
    end = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload(daemon))
        reloads.add(task)  # the loop itself keeps no hold of it
        task.add_done_callback(reloads.discard)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await end.wait()


async def _reload(daemon: Daemon) -> None:
    try:
        await daemon.reload()
    except ConfigError as error:
        log.error("reload refused, the old configuration stays", extra={"error": str(error)})
