"""Where the numbers of a metric come from, for documents and panels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sandbox_exporter.catalogue.health import TEMPLATE_INFO
from sandbox_exporter.catalogue.metric import Metric
from sandbox_exporter.catalogue.usage import ACCOUNT_METRICS, TEMPLATE_METRICS
from sandbox_exporter.model import Field


class Told(Protocol):
    """What a vendor tells."""

    @property
    def title(self) -> str:
        """The vendor's name as documents write it."""
        ...

    @property
    def breakdown(self) -> bool:
        """Whether it tells usage by template too."""
        ...

    @property
    def sources(self) -> Mapping[Field, str]:
        """From what each quantity comes."""
        ...

    @property
    def template_source(self) -> str:
        """From what the names of templates come."""
        ...


def source_of(metric: Metric, vendors: Iterable[Told]) -> str:
    """The upstream fields of each vendor that tells it, the configuration or the exporter itself.

    Empty for a quantity that none of the vendors tells.
    """
    return metric.source or "; ".join(dict.fromkeys(_sources(metric, vendors)))


def _sources(metric: Metric, vendors: Iterable[Told]) -> Iterator[str]:
    by_template = any(entry.metric == metric for entry in TEMPLATE_METRICS)
    entries = TEMPLATE_METRICS if by_template else ACCOUNT_METRICS
    fields = [entry.field for entry in entries if entry.metric == metric]
    for vendor in vendors:
        told = [vendor.sources[field] for field in fields if field in vendor.sources]
        if metric == TEMPLATE_INFO and vendor.template_source:
            told = [vendor.template_source]
        if vendor.breakdown or not by_template:
            yield from (f"{vendor.title} {text}" for text in told)
