"""Families packed into requests of a bounded size, each made when the one before was sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from sandbox_exporter import __version__
from sandbox_exporter.catalogue import Type
from sandbox_exporter.otlp.instruments import Instrument
from sandbox_exporter.otlp.points import Family

MOST_POINTS = 1000
"""Points of one request, about 150 kB: encoding more would hold up scrapes."""
SCOPE = InstrumentationScope("sandbox_exporter", __version__)


def requests(families: Iterable[Family], resource: Resource) -> Iterator[MetricsData]:
    """The families in order; families without points are left out, large ones are split."""
    metrics: list[Metric] = []
    room = MOST_POINTS
    for family in families:
        while points := list(islice(family.points, room)):
            metrics.append(_metric(family.instrument, points))
            room -= len(points)
            if not room:
                yield _request(metrics, resource)
                metrics, room = [], MOST_POINTS
    if metrics:
        yield _request(metrics, resource)


def _request(metrics: list[Metric], resource: Resource) -> MetricsData:
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


def _metric(instrument: Instrument, points: list[Any]) -> Metric:
    data: Sum | Gauge | Histogram
    match instrument.type:
        case Type.COUNTER:
            data = Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        case Type.HISTOGRAM:
            data = Histogram(points, AggregationTemporality.CUMULATIVE)
        case Type.GAUGE:
            data = Gauge(points)
    return Metric(instrument.name, instrument.description, instrument.unit, data)
