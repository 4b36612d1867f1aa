"""Instruments whose names turn into the catalogue's under the OTLP-to-Prometheus translation.

The translation appends what a unit is called, and `_total` to monotonic sums, so both are left out
of an instrument's name. A unit in braces is an annotation and appends nothing; it stands where UCUM
has no unit, or one that the translation does not know. The unit "1" never stands on a gauge, where
it would append `_ratio`. The rules are those of the OpenTelemetry specification, "Prometheus and
OpenMetrics compatibility", section "OTLP Metric points to Prometheus".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox_exporter.catalogue import Metric, Type

_APPENDED: Mapping[str, str] = {"seconds": "s", "bytes": "By"}
"""Base units whose names the translation appends, and what UCUM calls them."""
_ANNOTATED: Mapping[str, str] = {"byte_seconds": "{By.s}", "usd": "{USD}"}
"""Units that stay part of the name."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What OTLP calls a family."""

    name: str
    type: Type
    unit: str
    """UCUM."""
    description: str


def instrument(metric: Metric) -> Instrument:
    """The instrument of a catalogue's metric."""
    name = metric.family
    unit = _ANNOTATED.get(metric.unit, "")
    if metric.unit in _APPENDED:
        name = name.removesuffix(f"_{metric.unit}")
        unit = _APPENDED[metric.unit]
    return Instrument(name, metric.type, unit, metric.help)


def unit_in(name: str) -> str:
    """The base unit that a name of a foreign collector (`process_*`, `python_*`) ends with."""
    last = name.removesuffix("_total").rpartition("_")[2]
    return last if last in _APPENDED else ""
