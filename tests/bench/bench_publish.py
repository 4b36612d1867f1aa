"""Publishing 10,000 templates: CPU, and how long nothing else could run."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.conftest import Report

TEMPLATES = 10_000
SERIES = 80_000
ROUNDS = 10


def test_publishing(report: Report) -> None:
    """Everything that a poll brought is on the page."""
    figures = json.loads(report("publish", TEMPLATES, ROUNDS))
    assert figures["samples"] >= SERIES
    snapshot, render = figures["snapshot"], figures["render"]
    total = median(a + b for a, b in zip(snapshot, render, strict=True))
    blocked, polling = figures["blocked"], figures["polling"]
    library = figures["library"] + figures["library_gzip"]
    plain, packed = figures["bytes"]
    print(
        f"\npublishing {figures['samples']:,} series in both formats, plain and gzip"
        f" (text: {plain:,} and {packed:,} bytes), {ROUNDS} times:"
        f"\n  CPU {total:.3f} s median ({median(snapshot):.3f} s snapshot, {median(render):.3f} s"
        f" rendering), {max(snapshot) + max(render):.3f} s at most"
        f"\n  event loop blocked {median(blocked) * 1e3:.1f} ms median of the longest pauses,"
        f" {max(blocked) * 1e3:.1f} ms at most; while answers come in {max(polling) * 1e3:.1f} ms"
        f"\n  prometheus_client {library:.3f} s for one scrape of the text alone"
        f" (generate_latest {figures['library']:.3f} s, gzip {figures['library_gzip']:.3f} s):"
        f" ratio {total / library:.2f}"
    )
