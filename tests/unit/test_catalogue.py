from __future__ import annotations

from pathlib import Path
from types import ModuleType

from sandbox_exporter.catalogue import ACCOUNT_METRICS, TEMPLATE_METRICS, Type, catalogue, source_of
from sandbox_exporter.model import KINDS, Field
from sandbox_exporter.vendors import VENDORS

ROOT = Path(__file__).parents[2]


def test_names_are_unique() -> None:
    """One family, one entry."""
    names = [metric.name for metric in catalogue()]
    assert len(set(names)) == len(names)
    families = [metric.family for metric in catalogue()]
    assert len(set(families)) == len(families)


def test_names_follow_the_conventions() -> None:
    """Counters end in `_total`, units are suffixes, and help is a sentence."""
    for metric in catalogue():
        assert metric.name.endswith("_total") == (metric.type is Type.COUNTER)
        assert metric.family.endswith(metric.unit)
        assert metric.help.endswith((".", "always 1."))
        assert source_of(metric, VENDORS.values())
        assert len(set(metric.labels)) == len(metric.labels)


def test_every_quantity_has_a_metric() -> None:
    """What a provider reads is shown."""
    shown = {entry.field for entry in (*ACCOUNT_METRICS, *TEMPLATE_METRICS)}
    assert shown == set(Field) == set(KINDS)


def test_the_documentation_lists_what_is_served(metrics_doc: ModuleType) -> None:
    """`make docs` was run after the last change to the catalogue."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == metrics_doc.render(catalogue())
