"""Writes docs/metrics.md from the catalogue of metrics."""

from __future__ import annotations

from pathlib import Path

from sandbox_exporter.catalogue import Metric, catalogue, source_of
from sandbox_exporter.vendors import VENDORS

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"

INTRODUCTION = """\
# Metrics

Written by `make docs` from the catalogue in the code; a change made here by hand is lost.

Values are in base units: seconds, bytes, US dollars. A value that a vendor leaves out or sends as
null is a missing series, never 0. `sandbox_account_*` is the truth for an account and
`sandbox_template_*` its breakdown, so add up within one name, never across the two. Besides the
metrics below, `process_*` and `python_*` of the Prometheus client library are served.
"""

SECTIONS = {
    "sandbox_account_": "Usage of an account",
    "sandbox_template_": "Usage of a template",
    "sandbox_exporter_": "The exporter itself",
    "sandbox_": "Health of the polls",
}


def section_of(metric: Metric) -> str:
    """The heading under which a metric is listed."""
    return next(title for prefix, title in SECTIONS.items() if metric.name.startswith(prefix))


def row(metric: Metric) -> str:
    """A metric as a row of its section's table."""
    source = source_of(metric, VENDORS.values())
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} | {source} |"


def render(metrics: tuple[Metric, ...]) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title in dict.fromkeys(map(section_of, metrics)):
        rows = "\n".join(row(metric) for metric in metrics if section_of(metric) == title)
        head = "| metric | type | labels | meaning | from |\n|---|---|---|---|---|"
        parts.append(f"## {title}\n\n{head}\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(catalogue()), encoding="utf-8")
