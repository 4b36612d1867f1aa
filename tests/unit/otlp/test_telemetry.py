from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.metrics.v1 import metrics_pb2
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sandbox_exporter import supervisor
from sandbox_exporter.catalogue import catalogue
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.otlp import requests
from sandbox_exporter.otlp.points import Family, usage_families
from sandbox_exporter.otlp.settings import Signal
from sandbox_exporter.snapshot import Snapshot, Usage
from tests.otlp_receiver import Collector, Labels, Point, bound_text, families, plain, translated

if TYPE_CHECKING:
    from tests.unit.otlp.conftest import Connect

pytestmark = pytest.mark.anyio

NANO = 10**9
CUMULATIVE = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE
UNIT_LINE = re.compile(r"^# UNIT (\S+) (\S+)$", re.MULTILINE)
PATIENCE = 120.0
"""Seconds for what other threads do, on a machine that is busy with other work."""
MOVING = ("process_", "python_", "sandbox_exporter_otlp_", "sandbox_exporter_publish")
"""Families that change between an export and a scrape."""


async def arrived(collector: Collector) -> None:
    """Waits for a whole export: the next one has begun."""
    seen = len(collector.metrics)
    async with asyncio.timeout(PATIENCE):
        while len(collector.metrics) < seen + 2:  # noqa: ASYNC110 - it happens in other threads
            await asyncio.sleep(0.005)


async def page(publisher: Publisher) -> dict[tuple[str, Labels], Point]:
    """What OpenMetrics shows of the snapshot."""
    await publisher.render()
    text = publisher.page.openmetrics.plain.decode()
    samples: dict[tuple[str, Labels], Point] = {}
    created: dict[tuple[str, Labels], int] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            if "le" in sample.labels:
                sample.labels["le"] = bound_text(sample.labels["le"])
            labels = frozenset(pair for pair in sample.labels.items() if pair[1])
            if sample.name.endswith("_created"):
                name = sample.name.removesuffix("_created") + "_total"
                created[name, labels] = round(sample.value * NANO)
            else:
                samples[sample.name, labels] = Point(family.type, sample.value, 0)
    return {key: point._replace(start=created.get(key, 0)) for key, point in samples.items()}


async def test_what_arrives_is_what_is_scraped(
    collector: Collector, connect: Connect, publisher: Publisher
) -> None:
    """Every family, with its type, labels, values and starts, is the same on either path."""
    connect()
    await arrived(collector)
    sent = translated(collector.metrics[:1])

    scraped = await page(publisher)

    assert sent.keys() == scraped.keys()
    assert {key: point.type for key, point in sent.items()} == {
        key: point.type for key, point in scraped.items()
    }
    still = {key for key in scraped if not key[0].startswith(MOVING)}
    assert {key: sent[key].value for key in still} == {key: scraped[key].value for key in still}
    usage = {key for key in still if not key[0].startswith("sandbox_exporter_")}
    assert {key: sent[key].start for key in usage} == {key: scraped[key].start for key in usage}


async def test_units_are_those_of_the_page(
    collector: Collector, connect: Connect, publisher: Publisher
) -> None:
    """What OpenMetrics calls seconds is seconds in UCUM, and so on."""
    connect()
    await arrived(collector)
    await publisher.render()
    text = publisher.page.openmetrics.plain.decode()
    units = {"seconds": "s", "bytes": "By", "byte_seconds": "{By.s}", "usd": "{USD}", "": ""}

    sent = {metric.name: metric.unit for metric in families(collector.metrics[:1])}

    for name, unit in UNIT_LINE.findall(text):
        plain_name = name if units[unit].startswith("{") else name.removesuffix(f"_{unit}")
        assert sent[plain_name] == units[unit], name


async def test_no_family_of_the_catalogue_is_missing(
    collector: Collector, connect: Connect
) -> None:
    """Whoever has only a collector has the whole product."""
    connect()
    await arrived(collector)

    names = {name.removesuffix("_bucket") for name, _ in translated(collector.metrics[:1])}

    assert {metric.name for metric in catalogue()} <= names


async def test_sums_are_cumulative_and_points_have_the_time_of_their_snapshot(
    collector: Collector, connect: Connect
) -> None:
    """A backend can tell sums from levels, and one export is one moment."""
    connect()
    await arrived(collector)

    times = set()
    for metric in families(collector.metrics[:1]):
        match metric.WhichOneof("data"):
            case "sum":
                assert metric.sum.is_monotonic, metric.name
                assert metric.sum.aggregation_temporality == CUMULATIVE, metric.name
                times |= {point.time_unix_nano for point in metric.sum.data_points}
            case "histogram":
                assert metric.histogram.aggregation_temporality == CUMULATIVE
                times |= {point.time_unix_nano for point in metric.histogram.data_points}
            case "gauge":
                assert metric.unit != "1", f"{metric.name} would become a ratio"
                times |= {point.time_unix_nano for point in metric.gauge.data_points}
        assert metric.description, metric.name
        assert metric.unit in {"", "s", "By", "{By.s}", "{USD}"}, metric.name
    assert len(times) == 1


async def test_the_exporters_own_sums_began_with_the_process(
    collector: Collector, connect: Connect
) -> None:
    """Their start is before their time, so that a first export is no reset."""
    connect()
    await arrived(collector)

    points = translated(collector.metrics[:1])

    own = [point for (name, _), point in points.items() if name.startswith("sandbox_exporter_api")]
    assert own
    now = max(
        p.time_unix_nano for m in families(collector.metrics[:1]) for p in m.gauge.data_points
    )
    assert all(0 < point.start < now for point in own)


async def test_who_sends_can_be_said_by_the_standard_variables(
    collector: Collector, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is the exporter's, unless the deployment has another for it."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    connect()
    await arrived(collector)
    assert collector.resource()["service.name"] == "sandbox-exporter"
    assert collector.resource()["deployment.environment"] == "test"
    assert collector.resource()["service.instance.id"]

    collector.metrics.clear()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "usage")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=two")
    connect()

    def senders() -> set[tuple[str, str]]:
        resources = [plain(r.resource_metrics[0].resource.attributes) for r in collector.metrics]
        return {(r["service.name"], r["service.instance.id"]) for r in resources}

    # The one from before goes on sending, so any export is not yet one of the second.
    async with asyncio.timeout(PATIENCE):
        while ("usage", "two") not in senders():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_headers_and_compression_are_honoured(
    collector: Collector, connect: Connect, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector behind a gate gets its token, and few bytes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=a%20secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip")
    connect()
    await arrived(collector)

    headers = collector.headers[0]

    assert headers["x-token"] == "a secret"
    if protocol == "http/protobuf":
        assert headers["content-encoding"] == "gzip"


async def test_a_collector_on_this_machine_is_reached_past_a_proxy(
    collector: Collector, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy that the environment names is another machine's, and would see the headers."""
    asked = asyncio.Event()

    def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        for name in ("http_proxy", "https_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        connect()
        ways = {asyncio.create_task(arrived(collector)), asyncio.create_task(asked.wait())}
        _, other = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for task in other:
            task.cancel()
    assert not asked.is_set()
    assert collector.metrics


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("", True),
        ("localhost:4317", True),
        ("http://[::1]:4317", True),
        ("https://127.0.0.2:4318/v1", True),
        ("collector:4317", False),
        ("https://localhost.example.com", False),
    ],
)
def test_what_is_sent_to_this_machine(endpoint: str, local: bool) -> None:
    """With a scheme or, as gRPC has it, without."""
    assert Signal("metrics", "grpc", "none", 1.0, endpoint).is_local is local


async def test_exports_go_on_after_a_fault_of_the_exporter(
    collector: Collector,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is logged, and the task that sends starts again."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    faults = [RuntimeError("no families today")]

    def faulty(snapshot: Snapshot, now: int) -> Iterator[Family]:
        if faults:
            raise faults.pop()
        return usage_families(snapshot, now)

    monkeypatch.setattr("sandbox_exporter.otlp.telemetry.usage_families", faulty)
    connect()
    await arrived(collector)
    told = [record.__dict__["where"] for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["OTLP"]


async def test_a_stale_account_vanishes(
    collector: Collector, connect: Connect, publisher: Publisher, snapshot: Snapshot
) -> None:
    """Old values are not repeated: only the health of the account stays."""
    connect()
    await arrived(collector)
    for account in snapshot.accounts:
        publisher.publish(replace(account, usage=Usage(), templates=()))
    await arrived(collector)

    names = {name for name, _ in translated(collector.metrics[-1:])}

    assert not [name for name in names if name.startswith("sandbox_template_")]
    kept = {name for name in names if name.startswith("sandbox_account_")}
    assert kept == {"sandbox_account_budget_usd"}
    assert "sandbox_up" in names


async def test_a_new_month_starts_a_new_sum(
    collector: Collector, connect: Connect, publisher: Publisher, snapshot: Snapshot
) -> None:
    """The fall to 0 at the month's turn is told as a reset."""
    january = snapshot.accounts[0].created + 31 * 86400
    connect()
    await arrived(collector)
    for account in snapshot.accounts:
        zeros = dict.fromkeys(account.usage.counters, 0.0)
        reset = replace(account, created=january, usage=Usage(zeros, account.usage.readings))
        publisher.publish(reset)
    await arrived(collector)

    before, after = translated(collector.metrics[:1]), translated(collector.metrics[-1:])

    costs = [key for key in after if key[0] == "sandbox_account_cost_usd_total"]
    assert len(costs) == 2
    for key in costs:
        assert after[key].value == 0
        assert after[key].start == january * NANO > before[key].start


async def test_a_large_snapshot_comes_in_parts(
    collector: Collector,
    connect: Connect,
    publisher: Publisher,
    snapshot: Snapshot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No request grows past what collectors take, and nothing is lost or sent twice."""
    monkeypatch.setattr(requests, "MOST_POINTS", 7)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    telemetry = connect()

    await telemetry.close()

    assert len(collector.metrics) > 10
    sent = translated(collector.metrics)
    assert sent.keys() == (await page(publisher)).keys()


async def test_the_last_numbers_are_sent_at_the_end(
    collector: Collector, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short run, or the last minute of a long one, is not lost."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
    telemetry = connect()

    await telemetry.close()

    assert translated(collector.metrics)


async def test_an_export_that_arrived_counts_as_served(
    collector: Collector, connect: Connect, publisher: Publisher
) -> None:
    """New series leave their 0 once somebody has seen it, also where nobody scrapes."""
    collector.status = 400
    telemetry = connect()
    async with asyncio.timeout(PATIENCE):
        while len(collector.headers) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert telemetry.served("prod") == float("-inf")

    collector.status = 200
    await arrived(collector)

    assert telemetry.served("prod") == publisher.taken["prod"]
    assert telemetry.served("no such account") == float("-inf")


async def test_nothing_of_opentelemetry_reaches_the_log(
    collector: Collector, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """While all is well there is nothing to say."""
    with caplog.at_level(logging.INFO):
        connect()
        await arrived(collector)

    assert caplog.messages == []
