"""Collectors on the official protobuf definitions, and what Prometheus makes of what they take."""

from __future__ import annotations

import gzip
import re
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_service
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_UNPACK: dict[str | None, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    None: bytes,
}
_APPENDED = {"s": "seconds", "By": "bytes"}


class Tls(NamedTuple):
    """A server's certificate and key, as PEM files."""

    certificate: Path
    key: Path


@dataclass
class Collector:
    """What arrived, and how the next requests are answered."""

    url: str = ""
    metrics: list[metrics_service.ExportMetricsServiceRequest] = field(default_factory=list)
    traces: list[trace_service.ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    """HTTP status of the answers."""
    delay: float = 0.0
    """Seconds before an answer."""
    hanging: threading.Event | None = None
    """Answers wait for it, if there is one."""

    def wait(self) -> None:
        """Does to a request what the collector is told to."""
        time.sleep(self.delay)
        if self.hanging is not None:
            self.hanging.wait(30)

    def spans(self) -> list[trace_pb2.Span]:
        """All spans that arrived."""
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, str]:
        """The resource of the first metrics that arrived."""
        return plain(self.metrics[0].resource_metrics[0].resource.attributes)


@contextmanager
def http_collector(tls: Tls | None = None) -> Iterator[Collector]:
    """A collector that takes OTLP over HTTP."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.headers.append({k.lower(): v for k, v in self.headers.items()})
            collector.wait()
            if collector.status == 200:
                data = _UNPACK[self.headers.get("Content-Encoding")](body)
                if self.path == "/v1/metrics":
                    collector.metrics.append(
                        metrics_service.ExportMetricsServiceRequest.FromString(data)
                    )
                else:
                    collector.traces.append(
                        trace_service.ExportTraceServiceRequest.FromString(data)
                    )
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    collector.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        if collector.hanging is not None:
            collector.hanging.set()
        server.shutdown()
        server.server_close()


@contextmanager
def grpc_collector(tls: Tls | None = None) -> Iterator[Collector]:
    """A collector that takes OTLP over gRPC."""
    collector = Collector()

    def note(context: grpc.ServicerContext) -> None:
        collector.headers.append({str(k): str(v) for k, v in context.invocation_metadata()})
        collector.wait()
        if collector.status != 200:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "told to refuse")

    class Metrics(metrics_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            note(context)
            collector.metrics.append(request)
            return metrics_service.ExportMetricsServiceResponse()

    class Traces(trace_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            note(context)
            collector.traces.append(request)
            return trace_service.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    metrics_grpc.add_MetricsServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Metrics(), server
    )
    trace_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call]
        Traces(), server
    )
    if tls is None:
        collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        credentials = grpc.ssl_server_credentials([pair])
        port = server.add_secure_port("127.0.0.1:0", credentials)
        collector.url = f"https://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        if collector.hanging is not None:
            collector.hanging.set()
        server.stop(0).wait(5)


Labels = frozenset[tuple[str, str]]


class Point(NamedTuple):
    """One sample as Prometheus would have it."""

    type: str
    value: float
    start: int
    """Unix nanoseconds; 0 when it is not known."""


def plain(attributes: Any) -> dict[str, str]:
    """Attributes as a dictionary; all are text."""
    pair: KeyValue
    found = {}
    for pair in attributes:
        assert pair.value.WhichOneof("value") == "string_value", pair
        found[pair.key] = pair.value.string_value
    return found


def bound_text(bound: float | str) -> str:
    """The bound of a bucket as Go writes it: 1 where Python's client library writes 1.0."""
    return str(bound).removesuffix(".0")


def families(
    requests: list[metrics_service.ExportMetricsServiceRequest],
) -> Iterator[metrics_pb2.Metric]:
    """Every metric of some requests."""
    for request in requests:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                yield from scope.metrics


def prometheus_name(name: str, unit: str, *, monotonic: bool, gauge: bool) -> str:
    """The name that the standard translation, with suffixes, gives a metric.

    The rules are those of the OpenTelemetry specification, `compatibility/
    prometheus_and_openmetrics.md`, "OTLP Metric points to Prometheus", as Prometheus and the
    collector have them in `normalizeName` of github.com/prometheus/otlptranslator v1.0.0.
    """
    tokens = [token for token in re.split(r"[^a-zA-Z0-9:]", name) if token]
    if unit and "{" not in unit and unit != "1":
        # Known units are spelled out, any other is appended as it stands.
        suffix = _APPENDED.get(unit, re.sub(r"[^a-zA-Z0-9:]", "_", unit))
        tokens += [] if suffix in tokens else [suffix]
    if monotonic:
        tokens = [token for token in tokens if token != "total"] + ["total"]
    if unit == "1" and gauge:
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    return "_".join(tokens)


def translated(
    requests: list[metrics_service.ExportMetricsServiceRequest],
) -> dict[tuple[str, Labels], Point]:
    """The samples that Prometheus would store of some requests, by name and labels."""
    samples: dict[tuple[str, Labels], Point] = {}

    def add(name: str, labels: dict[str, str], point: Point) -> None:
        # A label with an empty value is a label that is not there.
        key = (name, frozenset(pair for pair in labels.items() if pair[1]))
        assert key not in samples, f"{key} twice"
        samples[key] = point

    for metric in families(requests):
        kind = metric.WhichOneof("data")
        monotonic = kind == "sum" and metric.sum.is_monotonic
        name = prometheus_name(metric.name, metric.unit, monotonic=monotonic, gauge=kind == "gauge")
        if kind == "histogram":
            for point in metric.histogram.data_points:
                _add_histogram(name, point, add)
            continue
        for point in getattr(metric, kind or "gauge").data_points:
            kind_name = "counter" if kind == "sum" else "gauge"
            made = Point(kind_name, point.as_double, point.start_time_unix_nano)
            add(name, plain(point.attributes), made)
    return samples


def _add_histogram(name: str, point: metrics_pb2.HistogramDataPoint, add: Any) -> None:
    labels, start = plain(point.attributes), point.start_time_unix_nano
    count = 0
    for bound, more in zip([*point.explicit_bounds, "+Inf"], point.bucket_counts, strict=True):
        count += more
        made = Point("histogram", count, start)
        add(f"{name}_bucket", {**labels, "le": bound_text(bound)}, made)
    add(f"{name}_sum", labels, Point("histogram", point.sum, start))
    add(f"{name}_count", labels, Point("histogram", point.count, start))
