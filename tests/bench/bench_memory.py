"""Memory of the real command with few and with many templates, while it polls and is scraped."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable
from statistics import quantiles
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bench.conftest import Running, Scraper, Start

POLLS = 3
PACE = 0.05
"""Seconds between two scrapes."""
RENDERING = 2.0
"""Seconds after the last answer, in which its page is rendered."""


@pytest.mark.parametrize(
    ("templates", "interval", "target"), [(20, 10, 60), (10_000, 30, 150)], ids=["few", "many"]
)
def test_resident_memory(
    program: Start,
    exporter: Start,
    scraper: Callable[[int], Scraper],
    templates: int,
    interval: int,
    target: int,
) -> None:
    """Every template is on the page after some polls, each of which asked all of them."""
    upstream = program("upstream", "--templates", templates, "--active", templates)
    running = exporter(
        upstream,
        f"max_templates: {templates}",
        "max_requests_per_minute: 1000000",
        f"poll_interval: {interval}s",
    )
    times, body = _scrape_during_polls(scraper(running.port), upstream, templates)
    text = gzip.decompress(body).decode()
    assert text.count("\nsandbox_template_vcpu_seconds_total{") == templates
    now, peak = running.memory("VmRSS"), running.memory("VmHWM")
    (duration,) = re.findall(r"\nsandbox_exporter_poll_duration_seconds\{.*?\} (\S+)", text)
    print(
        f"\nresident memory with {templates:,} templates, {POLLS} polls that asked all of them"
        f" and {len(times)} scrapes:"
        f"\n  {now:.0f} MB, {peak:.0f} MB at most: ratio to {target} MB {peak / target:.2f};"
        f" a poll took {float(duration):.1f} s"
        f"\n  scrapes meanwhile: p99 {quantiles(times, n=100)[98] * 1e3:.1f} ms,"
        f" longest {max(times) * 1e3:.1f} ms"
    )


def _scrape_during_polls(
    page: Scraper, upstream: Running, templates: int
) -> tuple[list[float], bytes]:
    """Seconds of the scrapes until `POLLS` whole polls are published, and the last page."""
    times = []
    began = time.monotonic()
    until = None
    while until is None or time.monotonic() < until:
        assert time.monotonic() < began + 200, "the polls do not come to an end"
        seconds, body = page.scrape()
        times.append(seconds)
        if until is None and len(times) % 20 == 0:
            sweeps = json.loads(upstream.get("/bench"))["sweeps"].values()
            if sum(count == templates for _, _, count in sweeps) >= POLLS:
                until = time.monotonic() + RENDERING
        time.sleep(PACE)
    return times, body
