"""A sweep over 1,000 templates by the real command: 50 ms an answer, 16 at once."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING

from sandbox_exporter.poll.sweep import CONCURRENCY

if TYPE_CHECKING:
    from tests.bench.conftest import Start

TEMPLATES = 1000
ANSWER_SECONDS = 0.05
SWEEPS = 4


def test_sweep(program: Start, exporter: Start) -> None:
    """Each poll asks each template once, as long as all of them are active."""
    upstream = program(
        *("upstream", "--templates", TEMPLATES, "--active", TEMPLATES),
        *("--delay", ANSWER_SECONDS),
    )
    exporter(upstream, "max_requests_per_minute: 1000000", "poll_interval: 10s")
    sweeps: list[tuple[float, float, float]] = []
    until = time.monotonic() + 120
    while len(sweeps) < SWEEPS:
        assert time.monotonic() < until, "the sweeps do not come"
        time.sleep(1)
        seen = json.loads(upstream.get("/bench"))["sweeps"].values()
        sweeps = [sweep for sweep in seen if sweep[2] >= TEMPLATES]
    assert {count for _, _, count in sweeps} == {TEMPLATES}
    # As the vendor sees it: from the first question to the last answer.
    seconds = [last - first for first, last, _ in sweeps]
    ideal = TEMPLATES / CONCURRENCY * ANSWER_SECONDS
    print(
        f"\nsweep of {TEMPLATES:,} templates, {ANSWER_SECONDS * 1e3:.0f} ms an answer,"
        f" {CONCURRENCY} at once, {SWEEPS} times:"
        f"\n  {median(seconds):.2f} s median, {max(seconds):.2f} s at most,"
        f" ideal {ideal:.2f} s: ratio {median(seconds) / ideal:.3f}"
    )
