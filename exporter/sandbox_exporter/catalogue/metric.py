"""What a metric is, to everything that shows or documents one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sandbox_exporter.model import Field


class Type(StrEnum):
    """Metric types of the exposition formats that this exporter uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Show(StrEnum):
    """Which of a quantity's two numbers a metric shows."""

    COUNTER = "counter"
    """The ledger's: never falls within a month."""
    READING = "reading"
    """The vendor's, as it is."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    type: Type
    help: str
    """Meaning in one sentence."""
    source: str = ""
    """Where the number comes from: the configuration or the exporter itself; empty for what vendors
    tell, see `source_of`."""
    unit: str = ""
    """Base unit; a suffix of the name, `_total` aside. Empty for counts of things."""
    labels: tuple[str, ...] = ("provider", "account")

    @property
    def family(self) -> str:
        """The name of the family in OpenMetrics: without `_total`."""
        return self.name.removesuffix("_total") if self.type is Type.COUNTER else self.name


@dataclass(frozen=True, slots=True)
class UsageMetric:
    """A metric of a quantity in the snapshot, for an account or a template."""

    metric: Metric
    field: Field
    show: Show
    fixed: tuple[tuple[str, str], ...] = ()
    """Labels with one value for this quantity."""
