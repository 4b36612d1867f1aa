"""The official OTLP exporters; those of the protocol that is not used are never imported."""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.trace.export import SpanExporter

from sandbox_exporter.config.urls import is_loopback
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
        settings: dict[str, Any] = {"compression": compressions[signal.compression]}
        if signal.is_local:
            # A proxy would be another machine's, and see the headers' secrets.
            settings["channel_options"] = (("grpc.enable_http_proxy", 0),)
    else:
        http = importlib.import_module(f"{_PACKAGE}.http")
        package = importlib.import_module(f"{_PACKAGE}.http.{module}")
        settings = {"compression": http.Compression(signal.compression), "session": _session()}
    return getattr(package, name)(timeout=signal.timeout, **settings)


def _session() -> Any:
    """A session that keeps to the certificate it is told, where REQUESTS_CA_BUNDLE names another.

    By itself it prefers that variable, and OTEL_EXPORTER_OTLP_CERTIFICATE would do nothing. It also
    calls a collector on this machine directly, as a proxy would see the headers' secrets.
    """
    session = importlib.import_module("requests").Session()
    merge = session.merge_environment_settings

    def keep(url: str, *arguments: Any) -> Any:
        settings = merge(url, *arguments)
        if session.verify is not True:
            settings["verify"] = session.verify
        if is_loopback(urlsplit(url).hostname or ""):
            settings["proxies"] = {}
        return settings

    session.merge_environment_settings = keep
    return session
