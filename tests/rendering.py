"""The page as it is meant to be, written from nothing in the plainest way."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox_exporter.exposition.text import Family, chunks, families, header
from sandbox_exporter.snapshot import Snapshot


def write(rows: Iterable[Family]) -> tuple[str, str]:
    """Families in both formats, those without samples left out."""
    text = openmetrics = ""
    for metric, lines in rows:
        made = list(chunks(metric, lines))
        if made:
            text += header(metric, openmetrics=False) + "".join(c.text for c in made)
            openmetrics += header(metric, openmetrics=True) + "".join(c.openmetrics for c in made)
    return text, openmetrics


def whole(snapshot: Snapshot) -> tuple[str, str]:
    """A snapshot in both formats, without the exporter's own metrics."""
    return write(families(snapshot.accounts))
