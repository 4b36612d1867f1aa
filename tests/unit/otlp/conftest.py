"""A snapshot with every family in it, collectors, and the means to send the one to the other."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.model import KINDS, Field, Kind, Template
from sandbox_exporter.otlp.settings import read
from sandbox_exporter.otlp.telemetry import Telemetry
from sandbox_exporter.snapshot import (
    AccountSnapshot,
    EndpointHealth,
    Snapshot,
    TemplateUsage,
    Usage,
)
from tests.otlp_receiver import Collector, grpc_collector, http_collector

MONTH = 1_764_547_200
"""2025-12-01, the month that the snapshot's counters show."""
EVERYTHING = {field: 10.0 * place + 0.25 for place, field in enumerate(Field, 1)}
TEMPLATE = {
    field: EVERYTHING[field]
    for field in (
        Field.VCPU_SECONDS,
        Field.MEMORY_BYTE_SECONDS,
        Field.DATA_TRANSFER_BYTES,
        Field.COST_USD,
        Field.RUNNING_SANDBOXES,
        Field.PAUSED_STORAGE_BYTES,
    )
}


def usage(values: dict[Field, float]) -> Usage:
    """Counters a little above what the vendor reports, as after a correction."""
    counters = {f: v + 0.5 for f, v in values.items() if KINDS[f] is not Kind.LEVEL}
    return Usage(counters, values)


@pytest.fixture
def snapshot() -> Snapshot:
    """Two accounts that hold every family there is; one endpoint fails."""
    template = Template("tpl-1", 'quo"ted\nname\\', "base", "")
    prod = AccountSnapshot(
        provider="seacloud",
        account="prod",
        tried=True,
        endpoints=(
            EndpointHealth("summary", up=True, last_success=MONTH + 60.5),
            EndpointHealth("costs", up=False, error="server: HTTP 500"),
        ),
        created=MONTH,
        usage=usage(EVERYTHING),
        templates=(
            TemplateUsage(template, usage(TEMPLATE)),
            TemplateUsage(Template("tpl-2"), Usage()),
        ),
        templates_known=2,
        templates_dropped=1,
        budget_usd=250.0,
    )
    dev = AccountSnapshot("seacloud", "dev", tried=True, created=MONTH, usage=usage(TEMPLATE))
    return Snapshot((prod, dev))


@pytest.fixture
def metrics() -> SelfMetrics:
    """The exporter's own metrics, each counted at least once."""
    made = SelfMetrics()
    made.reloaded(MONTH + 1.5, ok=True)
    made.state_saved(ok=True)
    account = Account("prod", "seacloud", "", SecretRef("env", "KEY"))
    observer = made.account(account)
    for seconds in (0.01, 0.3, 70.0):
        observer.request("summary", "200", seconds)
    observer.error("summary", Reason.TIMEOUT)
    observer.polled(1.25, 1.8e9)
    observer.corrected(2)
    observer.skipped(3)
    return made


@pytest.fixture
def publisher(snapshot: Snapshot, metrics: SelfMetrics) -> Publisher:
    """Holds the snapshot."""
    made = Publisher(metrics)
    made.restart(snapshot.accounts)
    return made


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
def collector(protocol: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector of the protocol, named to the exporter by the standard variables."""
    with COLLECTORS[protocol]() as running:
        point_to(running.url, protocol, monkeypatch)
        yield running


def point_to(url: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets the variables that send metrics to `url`, often."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=one")


Connect = Callable[[], Telemetry]


@pytest.fixture
async def connect(publisher: Publisher, metrics: SelfMetrics) -> AsyncIterator[Connect]:
    """Starts to send as the variables say; what was started is closed with the test."""
    started: list[Telemetry] = []
    filters = {handler: list(handler.filters) for handler in logging.getLogger().handlers}

    def start() -> Telemetry:
        telemetry = Telemetry(read(os.environ), publisher, metrics)
        telemetry.start()
        started.append(telemetry)
        return telemetry

    yield start
    for telemetry in started:
        await telemetry.close()
    for handler, before in filters.items():
        handler.filters = before
    logger = logging.getLogger("opentelemetry")
    logger.handlers.clear()
    logger.propagate = True


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the exporter runs on."""
    return "asyncio"
