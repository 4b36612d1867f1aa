"""Samples as OpenMetrics lines, family by family."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sandbox_exporter.backfill.detail import Samples
from sandbox_exporter.backfill.parts import Parts
from sandbox_exporter.catalogue import (
    ACCOUNT_METRICS,
    TEMPLATE_INFO,
    TEMPLATE_METRICS,
    Metric,
    Type,
)
from sandbox_exporter.exposition.text import label_text
from sandbox_exporter.model import Field, Template


class Series:
    """The series of one account or template; the same names and labels as live ones."""

    def __init__(
        self, parts: Parts, provider: str, account: str, template: Template | None = None
    ) -> None:
        self._parts = parts
        self._targets: dict[Field, list[tuple[Metric, str]]] = {}
        self._info = ""
        names, values = ["provider", "account"], [provider, account]
        entries = ACCOUNT_METRICS
        if template is not None:
            names.append("template_id")
            values.append(template.id)
            entries = TEMPLATE_METRICS
        labels = label_text(names, values)
        for entry in entries:
            if not entry.fixed:
                prefix = f"{entry.metric.name}{{{labels}}} "
                self._targets.setdefault(entry.field, []).append((entry.metric, prefix))
        if template is not None:
            more = (template.name, template.type, template.version)
            info = label_text(("name", "type", "version"), more)
            self._info = f"{TEMPLATE_INFO.name}{{{labels},{info}}} "

    def write(self, window: Iterable[Samples]) -> int:
        """Writes a window's samples to the parts of their families; how many there were."""
        written = 0
        described = range(0)
        for samples in window:
            lines = _lines(samples.times, samples.values)
            targets = self._targets[samples.field]
            for metric, prefix in targets:
                self._write(metric, prefix, lines)
            written += len(lines) * len(targets)
            is_total = targets[0][0].type is Type.COUNTER
            if is_total and len(samples.times) > len(described):
                described = samples.times
        if self._info and described:
            self._write(TEMPLATE_INFO, self._info, _lines(described, [1.0] * len(described)))
            written += len(described)
        return written

    def _write(self, metric: Metric, prefix: str, lines: Sequence[str]) -> None:
        if lines:
            self._parts.write(metric, prefix + prefix.join(lines))


def _lines(times: range, values: Sequence[float]) -> list[str]:
    """What follows the labels in each sample's line."""
    lines = list(map(str.__add__, map(repr, values), _suffixes(times)))
    if any(map(math.isnan, values)):
        return [line for line, value in zip(lines, values, strict=True) if not math.isnan(value)]
    return lines


@lru_cache(maxsize=64)
def _suffixes(times: range) -> Sequence[str]:
    return [f" {moment}\n" for moment in times]
