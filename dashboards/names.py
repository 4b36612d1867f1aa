"""Metric names, checked: a rename in the catalogue breaks the build of the dashboards."""

from __future__ import annotations

from sandbox_exporter.catalogue import Metric, catalogue, source_of
from sandbox_exporter.model import Field
from sandbox_exporter.vendors import VENDORS

_METRICS = {metric.name: metric for metric in catalogue()}

FOREIGN = frozenset(
    {
        "ALERTS",
        "ALERTS_FOR_STATE",
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "up",
    }
)
"""Made by Prometheus itself and by its client library, hence not in the catalogue."""


def metric(name: str) -> str:
    """The same name; raises `LookupError` where neither the catalogue nor `FOREIGN` has it."""
    if name not in _METRICS and name not in FOREIGN:
        raise LookupError(f"no metric is called {name}")
    return name


def described(name: str) -> Metric:
    """The catalogue's entry of a metric; raises `LookupError`."""
    if name not in _METRICS:
        raise LookupError(f"the catalogue has no metric {name}")
    return _METRICS[name]


def told_by(field: Field) -> str:
    """The vendors that tell a quantity, as a title names them."""
    return ", ".join(vendor.title for vendor in VENDORS.values() if field in vendor.sources)


def source(*names: str) -> str:
    """Where the numbers of some metrics come from, as a line of a panel's description."""
    vendors = VENDORS.values()
    listed = dict.fromkeys(f"`{name}` ({source_of(described(name), vendors)})" for name in names)
    return "Source: " + "; ".join(listed) + "."
