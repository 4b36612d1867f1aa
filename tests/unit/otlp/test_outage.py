from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp import pusher
from sandbox_exporter.otlp.outage import Words
from tests.otlp_receiver import Collector

if TYPE_CHECKING:
    from tests.unit.otlp.conftest import Connect

pytestmark = pytest.mark.anyio

FAILED = "OTLP export failed, tried again until it succeeds"


async def until(condition: Callable[[], object]) -> None:
    """Waits for something that is about to happen."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - it happens in other threads
            await asyncio.sleep(0.005)


def exports(metrics: SelfMetrics, result: str) -> float:
    """How many exports of metrics ended so."""
    return metrics.otlp_exports.labels("metrics", result).value


async def test_a_refusing_collector_is_one_log_line_an_outage(
    collector: Collector,
    connect: Connect,
    metrics: SelfMetrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each failure counts, the first is logged with its reason, and so is the recovery."""
    caplog.set_level(logging.INFO)
    collector.status = 400
    connect()
    await until(lambda: exports(metrics, "failure") >= 3)
    collector.status = 200
    await until(lambda: exports(metrics, "success") >= 2)

    assert caplog.messages == [FAILED, "OTLP exports arrive again"]
    told = caplog.records[0].__dict__
    assert told["signal"] == "metrics"
    assert "Failed to export" in told["error"] or "Transient error" in told["error"]


async def test_nobody_listening_is_a_failure(
    protocol: str,
    collector: Collector,
    connect: Connect,
    metrics: SelfMetrics,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An unreachable collector shows, while the program goes on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", closed)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    connect()

    await until(lambda: exports(metrics, "failure") >= 2)

    assert caplog.messages == [FAILED]


async def test_a_hanging_collector_holds_one_snapshot_and_nothing_else(
    collector: Collector,
    connect: Connect,
    metrics: SelfMetrics,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The event loop goes on, one export is in flight, and its successors count as failed."""
    collector.hanging = threading.Event()
    monkeypatch.setenv("OTEL_METRIC_EXPORT_TIMEOUT", "100")
    telemetry = connect()

    await until(lambda: exports(metrics, "failure") >= 3)

    assert len(collector.headers) == 1
    assert caplog.messages == [FAILED]
    monkeypatch.setattr(pusher, "FLUSH_SECONDS", 0.2)
    async with asyncio.timeout(120):
        await telemetry.close()
    assert len(collector.headers) == 1


async def test_a_slow_collector_gets_what_it_can_take(
    collector: Collector, connect: Connect, metrics: SelfMetrics
) -> None:
    """Exports follow each other, never two at once, and each arrives."""
    collector.delay = 0.1
    connect()

    await until(lambda: exports(metrics, "success") >= 3)

    assert exports(metrics, "failure") == 0
    assert len(collector.headers) - len(collector.metrics) <= 1


async def test_a_collector_that_comes_back_after_hanging_is_served_again(
    collector: Collector,
    connect: Connect,
    metrics: SelfMetrics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An abandoned export blocks the next ones only for as long as it lasts."""
    hanging = collector.hanging = threading.Event()
    monkeypatch.setenv("OTEL_METRIC_EXPORT_TIMEOUT", "50")
    connect()
    await until(lambda: exports(metrics, "failure") >= 2)

    collector.hanging = None
    hanging.set()

    await until(lambda: exports(metrics, "success") >= 1)


def test_what_the_sdk_says_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Spans that are dropped are told of; a header that an exporter quotes is not."""
    words = Words()
    told = {
        "opentelemetry.sdk.trace.export": "Queue is full",
        "opentelemetry.util.re": "Header format invalid: token=hunter2",
    }
    for name, message in told.items():
        words.handle(logging.makeLogRecord({"name": name, "msg": message, "levelno": 30}))

    assert caplog.messages == ["OpenTelemetry: Queue is full"]
