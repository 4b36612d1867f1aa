"""Many scrapers, and clients that keep connections without using them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles

from tests.campaign.hostile import write_config
from tests.campaign.process import Exporter
from tests.campaign.report import Report
from tests.campaign.server import HostileServer
from tests.campaign.vendor import Vendor, VendorAccount

_ACCOUNTS = 100
_TEMPLATES = 10
_SCRAPERS = 50
_IDLE = 500
_HALF = 100
_SLOW = 50
_REQUEST = b"GET %b HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: gzip\r\n\r\n"


async def _scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes) -> bytes:
    """One request on a connection that stays; the body."""
    writer.write(_REQUEST % path)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise OSError(head.split(b"\r\n", 1)[0].decode("latin-1"))
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return await reader.readexactly(int(lengths[0].split(b":")[1]))


class Load:
    """One exporter of many accounts under its scrapers' load."""

    def __init__(self, folder: Path, report: Report) -> None:
        self._report = report
        accounts = [
            VendorAccount(f"load{n}", "seacloud", "load-key", templates=_TEMPLATES)
            for n in range(_ACCOUNTS)
        ]
        vendor = Vendor({account.name: account for account in accounts})
        self._server = HostileServer(vendor)
        self._server.start()
        config = folder / "load.yml"
        write_config(config, self._server, accounts)
        self._exporter = Exporter(config, folder / "load.log", env={})
        self._faults: set[str] = set()

    def run(self, scrapes: int) -> None:
        """Scrapes so many times by each scraper, alone and beside clients that do no good."""
        self._exporter.wait_ready()
        self._wait_for_page()
        try:
            asyncio.run(self._run(scrapes))
        finally:
            self._exporter.stop()
            self._server.stop()

    def _wait_for_page(self) -> None:
        """Until the page shows every template: it follows the polls within moments."""
        series = b"\nsandbox_template_vcpu_seconds_total{"
        while self._exporter.get("/metrics")[1].count(series) < _ACCOUNTS * _TEMPLATES:
            assert self._exporter.alive
            time.sleep(0.1)

    async def _run(self, scrapes: int) -> None:
        table = self._report.table(
            f"Load: {_ACCOUNTS} accounts with {_ACCOUNTS * _TEMPLATES:,} templates,"
            f" {_SCRAPERS} scrapers",
            *("beside", "scrapes", "median", "99th percentile", "longest", "longest /-/healthy"),
            *("most memory, MB", "CPU of the exporter"),
        )
        for name, around in (
            ("nothing else", _nothing),
            (f"{_IDLE} idle keep-alive connections", self._idle),
            (f"{_HALF} half-sent requests", self._half_sent),
            (f"{_SLOW} readers of a byte at a time", self._slow_readers),
        ):
            ending = asyncio.Event()
            disturbing = await around(ending)
            cpu, began = self._exporter.cpu(), time.monotonic()
            times, health = await self._scrape_beside(scrapes)
            ending.set()
            await asyncio.gather(*disturbing)
            share = (self._exporter.cpu() - cpu) / (time.monotonic() - began)
            table.add(
                *(name, len(times), _ms(median(times)), _ms(quantiles(times, n=100)[98])),
                *(_ms(max(times)), _ms(max(health)), self._exporter.memory("VmHWM")),
                f"{share:.0%}",
            )
            for fault in self._faults:
                self._report.complain(f"load beside {name}: {fault}")
            self._faults.clear()
        if not self._exporter.alive:
            self._report.complain("the exporter died under load")

    async def _scrape_beside(self, scrapes: int) -> tuple[list[float], list[float]]:
        """Seconds of each scrape, and of each look at the health meanwhile."""
        times: list[float] = []
        health: list[float] = []
        done = asyncio.Event()

        async def scraper() -> None:
            reader, writer = await self._connect()
            for _ in range(scrapes):
                times.append(await self._timed(reader, writer, b"/metrics"))
                await asyncio.sleep(0.2)
            writer.close()

        async def look() -> None:
            while not done.is_set():
                reader, writer = await self._connect()
                health.append(await self._timed(reader, writer, b"/-/healthy"))
                writer.close()
                await asyncio.sleep(0.1)

        looking = asyncio.create_task(look())
        await asyncio.gather(*(scraper() for _ in range(_SCRAPERS)))
        done.set()
        await looking
        return times, health

    async def _timed(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes
    ) -> float:
        began = time.monotonic()
        try:
            body = await _scrape(reader, writer, path)
            if path == b"/metrics" and len(body) < 10_000:
                self._faults.add("a page that is far too short")
        except (OSError, asyncio.IncompleteReadError) as error:
            self._faults.add(f"{path.decode()}: {type(error).__name__} {error}")
        return time.monotonic() - began

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._exporter.port)

    async def _idle(self, ending: asyncio.Event) -> list[asyncio.Task[None]]:
        """Connections that asked once and stay."""

        async def idle() -> None:
            reader, writer = await self._connect()
            await _scrape(reader, writer, b"/-/healthy")
            started.release()
            await ending.wait()
            writer.close()

        started = asyncio.Semaphore(0)
        return await _begin(idle, _IDLE, started)

    async def _half_sent(self, ending: asyncio.Event) -> list[asyncio.Task[None]]:
        """Requests that are never finished."""

        async def half() -> None:
            _, writer = await self._connect()
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: exp")
            await writer.drain()
            started.release()
            await ending.wait()
            writer.close()

        started = asyncio.Semaphore(0)
        return await _begin(half, _HALF, started)

    async def _slow_readers(self, ending: asyncio.Event) -> list[asyncio.Task[None]]:
        """Clients that ask for a whole page and hardly read it."""

        async def slow() -> None:
            reader, writer = await self._connect()
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
            started.release()
            while not ending.is_set():
                await reader.read(1)
                await asyncio.sleep(0.1)
            writer.transport.abort()

        started = asyncio.Semaphore(0)
        return await _begin(slow, _SLOW, started)


async def _nothing(ending: asyncio.Event) -> list[asyncio.Task[None]]:
    return []


async def _begin(
    client: Callable[[], Awaitable[None]], count: int, started: asyncio.Semaphore
) -> list[asyncio.Task[None]]:
    """Starts clients, some at a time, and waits until all have what they hold."""

    async def alone() -> None:
        try:
            await client()
        except (OSError, asyncio.IncompleteReadError):
            started.release()  # it gave way: others are served instead

    tasks = []
    for _ in range(count):
        tasks.append(asyncio.create_task(alone()))
        if len(tasks) % 20 == 0:
            await asyncio.sleep(0.05)
    for _ in range(count):
        await started.acquire()
    return tasks


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
