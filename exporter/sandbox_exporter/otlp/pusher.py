"""Exports of metrics, one at a time, on threads that neither polls nor scrapes wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from sandbox_exporter.otlp.outage import Outage, Words
from sandbox_exporter.otlp.settings import Settings
from sandbox_exporter.otlp.threads import in_thread

FLUSH_SECONDS = 3.0
"""How long the end of the program waits for the last export."""


class Export(NamedTuple):
    """One snapshot on its way."""

    requests: Iterator[MetricsData]
    taken: Mapping[str, float]
    """When the snapshot of each account in it was taken, in monotonic seconds."""


class Pusher:
    """Sends the newest snapshot each interval.

    `collect` makes an export; it is called when the export begins, and the requests are made one by
    one. An export that takes longer than its timeout counts as failed and is left to its thread,
    and no other begins before that one has ended: there is never more than one snapshot in flight.
    """

    def __init__(
        self,
        collect: Callable[[], Export],
        exporter: MetricExporter,
        settings: Settings,
        outage: Outage,
        words: Words,
    ) -> None:
        self._collect = collect
        self._exporter = exporter
        self._settings = settings
        self._outage = outage
        self._words = words
        self._in_flight: asyncio.Future[str] | None = None
        self._arrived: Mapping[str, float] = {}

    def served(self, account: str) -> float:
        """When what arrived last of an account was taken; minus infinity before the first."""
        return self._arrived.get(account, float("-inf"))

    async def run(self) -> None:
        """Exports until it is cancelled."""
        clock = time.monotonic
        due = clock() + self._settings.interval
        while True:
            await asyncio.sleep(due - clock())
            await self._export(self._settings.export_timeout)
            due = max(due + self._settings.interval, clock())

    async def close(self) -> None:
        """A last export, and the end of all, within `FLUSH_SECONDS`."""
        deadline = time.monotonic() + FLUSH_SECONDS
        if self._in_flight is not None:
            await asyncio.wait([self._in_flight], timeout=FLUSH_SECONDS)
        await self._export(deadline - time.monotonic())
        await asyncio.wait([in_thread(self._exporter.shutdown)], timeout=1.0)

    async def _export(self, seconds: float) -> None:
        if self._in_flight is not None and not self._in_flight.done():
            self._outage.failed("the export before has not ended")
            return
        began = time.monotonic()
        export = self._collect()
        self._in_flight = in_thread(lambda: self._send(export.requests, began + seconds))
        done, _ = await asyncio.wait([self._in_flight], timeout=seconds)
        error = self._in_flight.result() if done else f"not done after {seconds:g} s"
        if error:
            self._outage.failed(error)
        else:
            self._outage.succeeded()
            self._arrived = export.taken

    def _send(self, requests: Iterator[MetricsData], deadline: float) -> str:
        """Sends all requests; why they did not arrive, or nothing when they did."""
        self._words.take()
        try:
            for request in requests:
                if time.monotonic() > deadline:
                    return "not done in time"
                if self._exporter.export(request) is not MetricExportResult.SUCCESS:
                    return self._words.take()
        except Exception as error:  # noqa: BLE001 - the exporters do not say what they may raise
            return f"{type(error).__name__}: {error}"
        return ""
