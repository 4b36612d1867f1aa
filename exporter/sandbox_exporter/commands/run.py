"""`sandbox-exporter run`: the daemon, its pages and its signals."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
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
from sandbox_exporter.web.site import MetricsFor, Site

log = logging.getLogger("sandbox_exporter")


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or SIGINT; reloads on SIGHUP."""
    web_config_file = None if options.web_config_file is None else Path(options.web_config_file)
    reread = partial(load, options.config_file)
    uvloop.run(
        serve(
            reread(),
            reread,
            options.listen,
            web_config_file=web_config_file,
            lifecycle=options.lifecycle,
            metrics_for=options.metrics_for,
        )
    )
    return 0


async def serve(  # noqa: PLR0913 - the choices of a command line, all named
    config: Config,
    reread: Callable[[], Config],
    listen: str,
    *,
    web_config_file: Path | None = None,
    lifecycle: bool = False,
    metrics_for: MetricsFor = "all",
    announce: Callable[[str], None] | None = None,
) -> None:
    """Polls and serves until a signal says to end; `announce` is told the address.

    Ends with status 1 when the daemon failed, so that whatever supervises the process restarts it.
    """
    async with AsyncExitStack() as stack:
        daemon = Daemon(config, reread, scraped=metrics_for != "none")
        stack.push_async_callback(daemon.stop)
        site = Site(
            version=__version__,
            page=lambda: daemon.publisher.page,
            snapshot=lambda: daemon.publisher.snapshot,
            reload=daemon.reload if lifecycle else None,
            scraped=daemon.publisher.scraped,
            metrics_for=metrics_for,
        )
        server = Server(build_app(site), web_config_file, daemon.web_reloaded)
        stack.push_async_callback(server.stop)
        await server.start(listen)
        await daemon.start()
        log.info(
            "serving",
            extra={
                "address": server.url,
                "accounts": len(config.accounts),
                "tls": server.tls,
                "authentication": server.authentication,
            },
        )
        if announce is not None:
            announce(server.url)
        spare_collections()
        first_polls = asyncio.create_task(_spare_what_first_polls_made(daemon))
        await _until_told_to_end(daemon)
        first_polls.cancel()
    log.info("ended")
    if daemon.failed.is_set():
        raise SystemExit(1)


def spare_collections() -> None:
    """Makes full garbage collections rare, each of which holds up scrapes.

    What start-up made stays, and need not be looked at again. What polls make is freed when its
    last reference goes, and a look at all of it takes some 35 ms at 10,000 templates.
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 1000)


async def _spare_what_first_polls_made(daemon: Daemon) -> None:
    """Spares collections also what stays of each account: a look at all of it takes long.

    With 1,000 accounts of 10 templates it held up scrapes for a quarter of a second.
    """
    while not daemon.publisher.snapshot.ready:  # noqa: ASYNC110 - once, and nobody waits for it
        await asyncio.sleep(1.0)
    gc.freeze()


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
    waits = [asyncio.create_task(event.wait()) for event in (end, daemon.failed)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _reload(daemon: Daemon) -> None:
    try:
        await daemon.reload()
    except ConfigError as error:
        log.error("reload refused, the old configuration stays", extra={"error": str(error)})
