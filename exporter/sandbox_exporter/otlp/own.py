"""The exporter's own metrics, from their registry, as OTLP data points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise

from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Collected
from prometheus_client.samples import Sample

from sandbox_exporter import catalogue
from sandbox_exporter.catalogue import Metric, Type
from sandbox_exporter.otlp.instruments import instrument, unit_in
from sandbox_exporter.otlp.points import Family


def own_families(registry: CollectorRegistry, start: int, now: int) -> Iterator[Family]:
    """Every family of the registry; `start`, when its sums began, and `now` in Unix nanoseconds."""
    known = {metric.family: metric for metric in catalogue.SELF_METRICS}
    for collected in registry.collect():
        metric = known.get(collected.name) or _foreign(collected)
        if metric.type is Type.HISTOGRAM:
            yield Family(instrument(metric), _histograms(collected.samples, start, now))
        else:
            began = start if metric.type is Type.COUNTER else 0
            points = [NumberDataPoint(s.labels, began, now, s.value) for s in collected.samples]
            yield Family(instrument(metric), iter(points))


def _foreign(collected: Collected) -> Metric:
    """A family of `process_*` or `python_*`, which the client library names."""
    kind = Type(collected.type)
    name = f"{collected.name}_total" if kind is Type.COUNTER else collected.name
    return Metric(name, kind, collected.documentation, "", unit_in(name))


def _histograms(samples: Iterable[Sample], start: int, now: int) -> Iterator[HistogramDataPoint]:
    def series(sample: Sample) -> dict[str, str]:
        return {name: value for name, value in sample.labels.items() if name != "le"}

    for labels, group in groupby(samples, key=series):
        values = [(sample.labels.get("le"), sample.value) for sample in group]
        below = [(float(bound), round(count)) for bound, count in values if bound is not None]
        total = next(value for bound, value in reversed(values) if bound is None)
        counts = [0, *(count for _, count in below)]
        yield HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=start,
            time_unix_nano=now,
            count=counts[-1],
            sum=total,
            bucket_counts=[upper - lower for lower, upper in pairwise(counts)],
            explicit_bounds=[bound for bound, _ in below[:-1]],
            # The text format has neither; OTLP leaves them out when they are not known.
            min=None,  # type: ignore[arg-type]
            max=None,  # type: ignore[arg-type]
        )
