from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp.outage import Outage, Words
from sandbox_exporter.otlp.pusher import Export, Pusher
from sandbox_exporter.otlp.settings import Settings

pytestmark = pytest.mark.anyio


class FakeExporter(MetricExporter):
    """Takes requests in its own way."""

    def __init__(self, fault: Exception | None = None, seconds: float = 0.0) -> None:
        super().__init__()
        self.fault = fault
        self.seconds = seconds
        self.taken = 0

    def export(self, *_: Any, **__: Any) -> MetricExportResult:
        time.sleep(self.seconds)
        if self.fault:
            raise self.fault
        self.taken += 1
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing to end."""


def collect() -> Export:
    """An export of four requests."""
    return Export(iter([MetricsData([])] * 4), {})


def pusher(exporter: MetricExporter, seconds: float) -> Pusher:
    """A pusher whose exports may take so long."""
    outage = Outage("metrics", SelfMetrics())
    settings = Settings(None, None, interval=0.01, export_timeout=seconds)
    return Pusher(collect, exporter, settings, outage, Words())


async def test_a_fault_of_the_exporter_is_a_failed_export(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever a library raises ends one export, not the program."""
    await pusher(FakeExporter(ValueError("closed channel")), 5).close()

    assert [record.__dict__["error"] for record in caplog.records] == ["ValueError: closed channel"]


async def test_an_export_ends_at_its_timeout_between_two_requests(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that is slow with each request cannot stretch an export for ever."""
    monkeypatch.setattr("sandbox_exporter.otlp.pusher.FLUSH_SECONDS", 0.1)
    exporter = FakeExporter(seconds=0.25)
    slow = pusher(exporter, 0.1)

    await slow.close()
    for thread in [thread for thread in threading.enumerate() if thread.name == "otlp"]:
        await asyncio.to_thread(thread.join, 120)

    assert exporter.taken == 1
    assert len(caplog.records) == 1
