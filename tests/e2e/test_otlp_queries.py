"""The dashboards' queries on data that came over OTLP, against the same data as it is scraped."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.model import KINDS, Field, Kind, Template
from sandbox_exporter.otlp.own import own_families
from sandbox_exporter.otlp.points import NANO, usage_families
from sandbox_exporter.otlp.requests import requests
from sandbox_exporter.otlp.telemetry import resource
from sandbox_exporter.snapshot import (
    AccountSnapshot,
    EndpointHealth,
    Snapshot,
    TemplateUsage,
    Usage,
)
from tests.e2e.grafana import Choice, Span, interpolate
from tests.otlp_receiver import translated

pytestmark = pytest.mark.slow

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
MONTH = 1_764_547_200
"""2025-12-01."""
START, MINUTES = MONTH + 9 * 86400, 8 * 60
END = START + MINUTES * 60
TEMPLATE_FIELDS = (
    Field.VCPU_SECONDS,
    Field.MEMORY_BYTE_SECONDS,
    Field.DATA_TRANSFER_BYTES,
    Field.COST_USD,
    Field.RUNNING_SANDBOXES,
    Field.PAUSED_STORAGE_BYTES,
)
DREADNODE_FIELDS = (Field.RUNTIME_SECONDS, Field.SESSIONS, Field.MONTH_RUNTIME_SECONDS)
CHOICES: dict[str, Choice] = {
    "provider": ".*",
    "account": ".*",
    "template": ["tpl-1", "tpl-2"],
    "organization": ["research"],
}
"""What a viewer has picked."""


@dataclass(frozen=True)
class History:
    """The same hours on both paths, as lines for promtool."""

    scraped: list[str]
    pushed: list[str]
    wire: list[bytes]
    """The requests, in order."""


def _usage(fields: tuple[Field, ...], minute: int, size: float) -> Usage:
    """Totals that grow at a changing rate, and levels that rise and fall."""
    wave = 2 + math.sin(minute / 40 + size)
    values = {
        field: size * place * (minute + 1 + wave if KINDS[field] is not Kind.LEVEL else wave)
        for place, field in enumerate(fields, 1)
    }
    counters = {f: v for f, v in values.items() if KINDS[f] is not Kind.LEVEL}
    return Usage(counters, values)


def _snapshot(minute: int) -> Snapshot:
    now = START + 60.0 * minute
    up = (EndpointHealth("summary", up=minute % 90 != 7, last_success=now),)
    templates = tuple(
        TemplateUsage(
            Template(f"tpl-{n}", f"name {n}", "base", "1"), _usage(TEMPLATE_FIELDS, minute, n)
        )
        for n in range(1, 4)
    )
    everything = tuple(field for field in Field if field not in DREADNODE_FIELDS)
    usage = _usage(everything, minute, 6.5)
    prod = AccountSnapshot(
        "seacloud", "prod", True, up, MONTH, usage, templates, 3, 0, budget_usd=900.0
    )
    sessions = _usage(DREADNODE_FIELDS, minute, 3)
    research = AccountSnapshot("dreadnode", "research", True, up, MONTH, sessions)
    return Snapshot((prod, research))


async def history_of_both() -> History:
    """Eight hours, as they are scraped and as they are pushed."""
    history = History([], [], [])
    metrics = SelfMetrics()
    publisher = Publisher(metrics)
    observer = metrics.account(Account("prod", "seacloud", "", SecretRef("env", "KEY")))
    for minute in range(MINUTES + 1):
        now = START + 60 * minute
        observer.request("summary", "200", 0.1 + minute % 7)
        observer.polled(0.5 + minute % 3, minute * 60.0)
        snapshot = _snapshot(minute)
        publisher.restart(snapshot.accounts)
        await publisher.render()
        page = publisher.page.text.plain.decode().splitlines()
        history.scraped.extend(f"{line} {now}" for line in page if not line.startswith("#"))
        families = chain(
            usage_families(snapshot, now * NANO),
            own_families(metrics, START * NANO, now * NANO),
        )
        wire = [encode_metrics(r).SerializeToString() for r in requests(families, resource())]
        history.pushed.extend(_lines(wire, now))
        history.wire.extend(wire)
    return history


def _lines(wire: list[bytes], now: int) -> Iterator[str]:
    """What Prometheus makes of requests that arrived."""
    arrived = [ExportMetricsServiceRequest.FromString(data) for data in wire]
    for (name, labels), point in translated(arrived).items():
        pairs = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted(labels))
        yield f"{name}{{{pairs}}} {point.value!r} {now}"


def _of_the_process(line: str) -> bool:
    """Whether a sample differs from one moment to the next by itself."""
    return line.startswith(("process_", "python_", "sandbox_exporter_publish"))


@pytest.fixture
def prometheus_of(
    find_program: Callable[[str], str], start: Callable[..., Any], tmp_path: Path
) -> Callable[[str, list[str]], Any]:
    """Starts a Prometheus that holds lines of a history."""

    def run(name: str, lines: list[str]) -> Any:
        folder = tmp_path / name
        folder.mkdir()
        kept = [line for line in lines if not _of_the_process(line)]
        (folder / "history.om").write_text("\n".join([*kept, "# EOF", ""]))
        (folder / "prometheus.yml").touch()
        blocks = [find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
        subprocess.run([*blocks, "history.om", "tsdb"], cwd=folder, check=True, capture_output=True)
        command = [
            find_program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/tsdb",
            "--storage.tsdb.retention.time=100y",
            "--web.listen-address=127.0.0.1:0",
        ]
        return start(command, 0, "/-/ready")

    return run


def dashboard_queries() -> Iterator[tuple[str, dict[str, object]]]:
    """Each query of each panel as Grafana asks it, the panel's name before it."""
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            span = Span(START, END, panel.get("maxDataPoints", 800))
            for target in panel.get("targets", ()):
                step = span.step(target["interval"].replace("$bucket", "1h"))
                expr = interpolate(target["expr"], span, step, CHOICES)
                asked: dict[str, object] = {"query": expr, "time": END}
                if not target.get("instant"):
                    points = (END - START) // step
                    asked |= {"start": END - points * step, "end": END, "step": step}
                yield f"{panel['title']}, {target['refId']}", asked


def _answer(server: Any, asked: dict[str, object]) -> list[str]:
    path = "/api/v1/query_range" if "step" in asked else "/api/v1/query"
    answer = server.get(path, params=asked).json()
    assert answer["status"] == "success", f"{answer.get('error')}: {asked}"
    return sorted(json.dumps(series, sort_keys=True) for series in answer["data"]["result"])


def test_dashboards_show_the_same_on_either_path(
    prometheus_of: Callable[[str, list[str]], Any],
) -> None:
    """Every query of every panel answers alike, and most of them have something to say."""
    history = asyncio.run(history_of_both())
    scraped = prometheus_of("scraped", history.scraped)
    pushed = prometheus_of("pushed", history.pushed)

    answered = 0
    for panel, asked in dashboard_queries():
        expected = _answer(scraped, asked)
        assert _answer(pushed, asked) == expected, panel
        answered += bool(expected)

    assert answered > 60
