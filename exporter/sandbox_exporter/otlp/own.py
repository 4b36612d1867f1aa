"""The exporter's own metrics as OTLP data points."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from prometheus_client.metrics_core import Metric as Collected

from sandbox_exporter.catalogue import Metric, Type
from sandbox_exporter.exposition.instruments import Counter, Distribution, Gauge, Histogram, Series
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp.instruments import instrument, unit_in
from sandbox_exporter.otlp.points import Family


def own_families(metrics: SelfMetrics, start: int, now: int) -> Iterator[Family]:
    """Every family; `start`, when its sums began, and `now` in Unix nanoseconds."""
    for counted in metrics.instruments:
        yield Family(instrument(counted.metric), _points(counted, start, now))
    for collected in metrics.process.collect():
        metric = _foreign(collected)
        began = start if metric.type is Type.COUNTER else 0
        points = [NumberDataPoint(s.labels, began, now, s.value) for s in collected.samples]
        yield Family(instrument(metric), iter(points))


def _foreign(collected: Collected) -> Metric:
    """A family of `process_*` or `python_*`, which the client library names."""
    kind = Type(collected.type)
    name = f"{collected.name}_total" if kind is Type.COUNTER else collected.name
    return Metric(name, kind, collected.documentation, "", unit_in(name))


def _points(
    counted: Counter | Gauge | Histogram, start: int, now: int
) -> Iterator[NumberDataPoint | HistogramDataPoint]:
    """The points of all series; `start` is that of counters and histograms."""
    labels = counted.metric.labels
    for owner in counted.owners:
        for values, series in counted.rows(owner):
            attributes = dict(zip(labels, values, strict=True))
            if isinstance(series, Series):
                began = start if counted.metric.type is Type.COUNTER else 0
                yield NumberDataPoint(attributes, began, now, series.value)
            else:
                yield _distribution(attributes, series, start, now)


def _distribution(
    attributes: dict[str, str], series: Distribution, start: int, now: int
) -> HistogramDataPoint:
    counts = list(series.counts)
    return HistogramDataPoint(
        attributes=attributes,
        start_time_unix_nano=start,
        time_unix_nano=now,
        count=sum(counts),
        sum=series.sum,
        bucket_counts=counts,
        explicit_bounds=series.bounds,
        # The text format has neither; OTLP leaves them out when they are not known.
        min=None,  # type: ignore[arg-type]
        max=None,  # type: ignore[arg-type]
    )
