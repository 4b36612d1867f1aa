"""The real process pushing to a collector, with and without its own page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE
from tests.otlp_receiver import Collector, grpc_collector, http_collector, translated

Running = Any
Eventually = Callable[[Callable[[], bool], str], None]
Exporter = Callable[..., Running]

COLLECTORS: dict[str, Callable[[], AbstractContextManager[Collector]]] = {
    "http/protobuf": http_collector,
    "grpc": grpc_collector,
}


@pytest.fixture(params=COLLECTORS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol."""
    name: str = request.param
    return name


@pytest.fixture
def collector(protocol: str) -> Iterator[Collector]:
    """A collector of the protocol."""
    with COLLECTORS[protocol]() as running:
        yield running


@pytest.fixture
def environment(simulator: Running, collector: Collector, protocol: str) -> dict[str, str]:
    """What makes `run` poll the simulator and push to the collector every tenth of a second."""
    lines = simulator.log.read_text().splitlines()
    accounts = dict(line.split("=", 1) for line in lines if "=" in line)
    return accounts | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRIC_EXPORT_INTERVAL": "100",
    }


def values(collector: Collector) -> dict[str, float]:
    """The usage and health in the newest export, by name and labels as they are scraped."""
    request = collector.metrics[-1:]
    return {
        f"{name}{sorted(labels)}": point.value
        for (name, labels), point in translated(request).items()
        if not name.startswith(("process_", "python_", "sandbox_exporter_"))
    }


def scraped(exporter: Running) -> dict[str, float]:
    """The same from the page."""
    found = {}
    for series, value in exporter.metrics().items():
        name, _, rest = series.partition("{")
        if name.startswith(("process_", "python_", "sandbox_exporter_")):
            continue
        pairs = [part.split('="') for part in rest.removesuffix('"}').split('",')] if rest else []
        labels = sorted((label, text) for label, text in pairs if text)
        found[f"{name}{labels}"] = value
    return found


def test_the_pushed_numbers_are_the_scraped_ones(
    exporter: Exporter,
    environment: dict[str, str],
    collector: Collector,
    eventually: Eventually,
) -> None:
    """Whatever the vendors report reaches a collector as it reaches a scraper."""
    running = exporter(environment=environment)

    def alike() -> bool:
        if not collector.metrics or running.get("/-/ready").status_code != 200:
            return False
        pushed = values(collector)
        return any("sandbox_template" in name for name in pushed) and pushed == scraped(running)

    eventually(alike, "an export equals the page")


def test_only_otlp(
    exporter: Exporter,
    environment: dict[str, str],
    collector: Collector,
    eventually: Eventually,
) -> None:
    """Without a page of metrics the numbers leave all the same, the last ones at the end."""
    running = exporter("--web.metrics", "none", environment=environment)
    eventually(lambda: running.get("/-/ready").status_code == 200, "accounts are tried")
    eventually(lambda: bool(collector.metrics), "an export arrives")
    assert running.get("/metrics").status_code == 404
    assert "/metrics" not in running.get("/").text

    seen = len(collector.metrics)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE) == 0

    assert len(collector.metrics) > seen
    assert any("sandbox_account_cost_usd_total" in name for name in values(collector))


def test_a_hanging_collector_delays_neither_polls_nor_scrapes_nor_the_end(
    exporter: Exporter,
    environment: dict[str, str],
    collector: Collector,
    eventually: Eventually,
) -> None:
    """A collector that never answers costs a metric and one log line, and the end does not hang."""
    collector.hanging = threading.Event()
    running = exporter(environment=environment | {"OTEL_METRIC_EXPORT_TIMEOUT": "300"})
    eventually(lambda: running.get("/-/ready").status_code == 200, "accounts are tried")
    failures = 'sandbox_exporter_otlp_exports_total{result="failure",signal="metrics"}'
    eventually(lambda: "OTLP export failed" in running.log.read_text(), "the failure is logged")
    assert running.get("/metrics").status_code == 200
    assert failures in running.get("/metrics").text

    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(PATIENCE) == 0

    assert running.log.read_text().count("OTLP export failed") == 1


def test_nothing_would_leave(environment: dict[str, str], tmp_path: Path) -> None:
    """Switching off every way out is taken for the mistake that it is."""
    environment = {k: v for k, v in environment.items() if not k.startswith("OTEL_")}
    command = [sys.executable, "-m", "sandbox_exporter", "run", "--web.metrics", "none"]
    done = subprocess.run(
        [*command, "--web.listen-address", "127.0.0.1:0"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert done.returncode == 1
    message = "--web.metrics: is off, and OTLP is not on: no metrics would leave the exporter"
    assert done.stderr.strip() == message
