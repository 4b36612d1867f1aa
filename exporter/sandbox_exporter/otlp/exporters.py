"""The official OTLP exporters; those of the protocol that is not used are never imported."""

from __future__ import annotations

import importlib
from typing import Any

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from sandbox_exporter.otlp.settings import Signal

_PACKAGE = "opentelemetry.exporter.otlp.proto"


def metric_exporter(signal: Signal) -> MetricExporter:
    """Sends metrics as `signal` says, to where the environment says."""
    exporter: MetricExporter = _make("metric_exporter", "OTLPMetricExporter", signal)
    return exporter


def span_exporter(signal: Signal) -> SpanExporter:
    """Sends spans as `signal` says, to where the environment says."""
    exporter: SpanExporter = _make("trace_exporter", "OTLPSpanExporter", signal)
    return exporter


def _make(module: str, name: str, signal: Signal) -> Any:
    if signal.protocol == "grpc":
        grpc = importlib.import_module("grpc")
        compressions = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
        package = importlib.import_module(f"{_PACKAGE}.grpc.{module}")
        compression = compressions[signal.compression]
    else:
        http = importlib.import_module(f"{_PACKAGE}.http")
        package = importlib.import_module(f"{_PACKAGE}.http.{module}")
        compression = http.Compression(signal.compression)
    return getattr(package, name)(timeout=signal.timeout, compression=compression)
