from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.trace.v1 import trace_pb2

from sandbox_exporter import logs
from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp.telemetry import Telemetry
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.build import build_poller
from sandbox_exporter.simulator.faults import Fault, Kind
from sandbox_exporter.simulator.serve import ServedSimulator, serve
from sandbox_exporter.simulator.simulation import Settings
from sandbox_exporter.vendors.simulated import stand_ins
from tests.otlp_receiver import Collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.otlp.conftest import Connect

pytestmark = pytest.mark.anyio

SETTINGS = Settings(stand_ins(), templates=2)
ERROR = trace_pb2.Status.STATUS_CODE_ERROR


@pytest.fixture(autouse=True)
def _traces_only(collector: Collector, protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans go to the collector, and no metrics."""
    path = "/v1/traces" if protocol == "http/protobuf" else ""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url + path)
    monkeypatch.setenv("KEY", SETTINGS.vendors[0].accounts[0].api_key)


@pytest.fixture
async def vendor() -> AsyncIterator[ServedSimulator]:
    """The simulator, with two templates."""
    async with serve(SETTINGS, port=0) as simulator:
        yield simulator


@asynccontextmanager
async def polling(vendor: ServedSimulator) -> AsyncIterator[AccountPoller]:
    """A poller of the simulator's first account."""
    account = Account("prod", "seacloud", vendor.base_url("seacloud"), SecretRef("env", "KEY"))
    observer = SelfMetrics().account(account)
    poller = build_poller(account, Config((account,)), observer, served=lambda: 0.0)
    yield poller
    await poller.client.aclose()


async def traced_poll(vendor: ServedSimulator, telemetry: Telemetry) -> None:
    """One poll, and its spans sent."""
    async with polling(vendor) as poller:
        with telemetry.traced(poller.account):
            await poller.poll()
    await telemetry.close()


def attributes(span: trace_pb2.Span) -> dict[str, object]:
    """A span's attributes."""
    return {
        pair.key: getattr(pair.value, str(pair.value.WhichOneof("value")))
        for pair in span.attributes
    }


def split(collector: Collector) -> tuple[trace_pb2.Span, list[trace_pb2.Span]]:
    """The one poll's span, and those of the requests."""
    [poll] = [span for span in collector.spans() if span.name == "poll"]
    return poll, [span for span in collector.spans() if span.name != "poll"]


async def test_a_poll_is_a_span_and_each_request_its_child(
    vendor: ServedSimulator, connect: Connect, collector: Collector
) -> None:
    """A slow poll shows which of its requests took the time."""
    await traced_poll(vendor, connect())

    poll, calls = split(collector)

    assert attributes(poll) == {"provider": "seacloud", "account": "prod"}
    names = [span.name for span in calls]
    assert {"GET summary", "GET costs", "GET templates", "GET template_summary"} <= set(names)
    for span in calls:
        assert span.parent_span_id == poll.span_id
        assert span.trace_id == poll.trace_id
        assert span.kind == trace_pb2.Span.SPAN_KIND_CLIENT
        assert attributes(span)["http.response.status_code"] == 200
        assert span.start_time_unix_nano >= poll.start_time_unix_nano
        assert span.end_time_unix_nano <= poll.end_time_unix_nano
    assert poll.status.code != ERROR


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(Kind.STATUS, "storage", status=403), "forbidden"),
        (Fault(Kind.GARBAGE, "storage"), "schema"),
        (Fault(Kind.GZIP_BOMB, "storage"), "too_large"),
    ],
)
async def test_an_error_is_recorded_with_its_reason(
    vendor: ServedSimulator,
    connect: Connect,
    collector: Collector,
    fault: Fault,
    reason: str,
) -> None:
    """The request that failed says why, and the poll which endpoint it was."""
    vendor.simulation.faults.put(fault)
    await traced_poll(vendor, connect())

    poll, calls = split(collector)

    failed = [span for span in calls if span.status.code == ERROR]
    assert {span.name for span in failed} == {"GET storage"}
    assert {attributes(span)["error.type"] for span in failed} == {reason}
    assert poll.status.code == ERROR
    assert poll.status.message == f"storage: {reason}"
    assert [event.name for event in poll.events] == ["endpoint failed"]


async def test_spans_hold_no_secret(
    vendor: ServedSimulator, connect: Connect, collector: Collector
) -> None:
    """Neither a header nor what a vendor echoes of the key gets out."""
    key = SETTINGS.vendors[0].accounts[0].api_key
    echo = Fault(
        Kind.STATUS,
        status=401,
        headers={"X-Request-ID": f"bad-{key}"},
        body={"error": f"no such key: {key}"},
    )
    vendor.simulation.faults.put(echo)
    await traced_poll(vendor, connect())

    assert len(collector.spans()) > 1
    for request in collector.traces:
        assert key.encode() not in request.SerializeToString()


async def test_log_lines_of_a_poll_have_its_trace_id(
    vendor: ServedSimulator, connect: Connect, collector: Collector, stderr: io.StringIO
) -> None:
    """From a log line one finds the trace, and the vendor's request id is there too."""
    vendor.simulation.faults.put(Fault(Kind.STATUS, "storage", status=403))
    await traced_poll(vendor, connect())

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]
    poll, _ = split(collector)

    [line] = [line for line in lines if line["msg"] == "poll failed"]
    assert line["trace_id"] == poll.trace_id.hex()
    assert line["span_id"] == poll.span_id.hex()
    assert line["request_id"]


async def test_spans_that_do_not_arrive_are_one_log_line(
    vendor: ServedSimulator, connect: Connect, collector: Collector, stderr: io.StringIO
) -> None:
    """The failure is counted and told once, and the poll is none the worse."""
    collector.status = 400
    await traced_poll(vendor, connect())

    lines = [json.loads(line) for line in stderr.getvalue().splitlines()]

    assert [line["signal"] for line in lines if "OTLP" in line["msg"]] == ["traces"]


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the program logs as JSON."""
    text = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr("sys.stderr", text)
    logs.configure("info", "json")
    yield text
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


async def test_a_poll_that_ends_by_a_fault_is_marked(
    vendor: ServedSimulator, connect: Connect, collector: Collector
) -> None:
    """The kind of fault shows; its text, which may quote anything, is left to the log."""
    telemetry = connect()
    async with polling(vendor) as poller:
        with pytest.raises(ValueError, match="text"), telemetry.traced(poller.account):
            raise ValueError("text")
    await telemetry.close()

    poll, _ = split(collector)

    assert (poll.status.code, poll.status.message) == (ERROR, "ValueError")
    assert not poll.events
