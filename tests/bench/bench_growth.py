"""What the exporter costs as accounts and templates grow, and what a version before it cost.

`GROWTH_BEFORE=CHECKOUT` measures that version too, in the same run; `GROWTH_PICTURE=FILE` draws
what was measured; `GROWTH_SIZES=100x10,1x1000` measures only those. Every template is busy and is
asked in every poll, which is once a minute.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from math import inf, log
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from tests.bench.conftest import ROOT
from tests.bench.growth_picture import draw

if TYPE_CHECKING:
    from tests.bench.conftest import Running, Scraper, Start

SIZES = (
    *((accounts, 10) for accounts in (1, 10, 100, 400, 1000)),
    *((1, templates) for templates in (100, 1000, 10_000)),
)
"""Accounts, and templates of each."""
MINUTE = 60.0
PACE = 0.2
"""Seconds between two scrapes."""
READY_SECONDS = 300.0
"""After which a version is measured though it is not ready."""


class Row(NamedTuple):
    """One size as it was measured."""

    version: str
    accounts: int
    templates: int
    ready: float
    """Seconds from the command to the first 200 of `/-/ready`; infinite when it did not come."""
    calls: int
    """Upstream calls in a minute."""
    cpu: float
    """Seconds of CPU in that minute, scrapes included."""
    blocked: float
    """Longest pause of the event loop in another minute, in seconds of the thread's CPU."""
    paused: float
    """The same by the clock, which on a busy machine tells of the machine."""
    memory: float
    """Resident, in MB (10^6 bytes), at the end."""
    scrapes: tuple[float, ...]
    """Seconds of each scrape in both minutes."""
    series: int


class Launch(NamedTuple):
    """How a version is started and asked."""

    start: Start
    free_port: Callable[[], int]
    scraper: Callable[[int], Scraper]
    folder: Path


def test_growth(
    program: Start,
    start: Start,
    free_port: Callable[[], int],
    scraper: Callable[[int], Scraper],
    tmp_path: Path,
) -> None:
    """Every account is up on every row's page, with all its templates."""
    versions = {"now": ROOT}
    if before := os.environ.get("GROWTH_BEFORE"):
        versions = {"before": Path(before), **versions}
    launch = Launch(start, free_port, scraper, tmp_path)
    rows: list[Row] = []
    for accounts, templates in _sizes():
        upstream = program(
            "upstream", "--templates", templates, "--active", templates, "--delay", 0.05
        )
        for version, checkout in versions.items():
            rows.append(_measure(launch, upstream, version, checkout, accounts, templates))
            print(_line(rows[-1]), flush=True)
        upstream.end()
    print(_table(rows))
    if picture := os.environ.get("GROWTH_PICTURE"):
        shown = {
            version: [
                (row.accounts, row.cpu)
                for row in rows
                if row.version == version and row.templates == 10
            ]
            for version in versions
        }
        Path(picture).write_text(draw(shown))


def _sizes() -> list[tuple[int, int]]:
    wanted = os.environ.get("GROWTH_SIZES")
    if wanted is None:
        return list(SIZES)
    pairs = (size.split("x") for size in wanted.split(","))
    return [(int(accounts), int(templates)) for accounts, templates in pairs]


def _measure(
    launch: Launch, upstream: Running, version: str, checkout: Path, accounts: int, templates: int
) -> Row:
    began = time.perf_counter()
    running = _exporter(launch, upstream, checkout, accounts, templates)
    try:
        ready = _until_ready(running, began)
        time.sleep(5)
        page = launch.scraper(running.port)
        calls, cpu, first = _calls(upstream), running.cpu_seconds(), time.perf_counter()
        times = _scrape(page, MINUTE)
        minutes = (time.perf_counter() - first) / MINUTE
        cpu, calls = running.cpu_seconds() - cpu, _calls(upstream) - calls
        running.process.send_signal(signal.SIGUSR1)
        times += _scrape(page, MINUTE)
        running.process.send_signal(signal.SIGUSR2)
        assert running.process.stdout is not None
        pauses = json.loads(running.process.stdout.readline())
        text = gzip.decompress(page.scrape()[1])
        if ready < inf or version == "now":
            assert text.count(b"\nsandbox_up{") == accounts
            assert text.count(b"\nsandbox_template_month_cost_usd{") == accounts * templates
        return Row(
            version,
            accounts,
            templates,
            ready,
            round(calls / minutes),
            cpu / minutes,
            pauses["cpu"],
            pauses["wall"],
            running.memory("VmRSS"),
            tuple(times),
            text.count(b"\nsandbox_") - text.count(b"\nsandbox_exporter"),
        )
    finally:
        running.end()


def _exporter(
    launch: Launch, upstream: Running, checkout: Path, accounts: int, templates: int
) -> Running:
    """The version's daemon with so many accounts at one vendor."""
    config = launch.folder / "config.yml"
    sections = (
        f"  - name: team-{number:04}\n"
        "    provider: seacloud\n"
        f"    base_url: http://127.0.0.1:{upstream.port}\n"
        "    api_key: {env: BENCH_KEY}\n"
        f"    max_templates: {templates}\n"
        "    max_requests_per_minute: 1000000\n"
        for number in range(accounts)
    )
    config.write_text("poll_interval: 60s\naccounts:\n" + "".join(sections))
    port = launch.free_port()
    file = Path(__file__).parent / "programs" / "daemon.py"
    exporter = str(checkout / "exporter")
    return launch.start(
        *("env", f"PYTHONPATH={exporter}", sys.executable, str(file), str(config), str(port)),
        port=port,
        printing=True,
    )


def _until_ready(running: Running, began: float) -> float:
    while True:
        if running.status("/-/ready") == 200:
            return time.perf_counter() - began
        if time.perf_counter() - began > READY_SECONDS:
            return inf
        time.sleep(0.02)


def _scrape(page: Scraper, seconds: float) -> list[float]:
    """Scrapes for so long at an even pace; a scrape's time counts from when it was due."""
    times: list[float] = []
    began = time.perf_counter()
    for number in range(round(seconds / PACE)):
        due = began + number * PACE
        time.sleep(max(0.0, due - time.perf_counter()))
        page.scrape()
        times.append(time.perf_counter() - due)
    return times


def _calls(upstream: Running) -> int:
    return sum(json.loads(upstream.get("/bench"))["calls"].values())


def _line(row: Row) -> str:
    p99 = quantiles(row.scrapes, n=100)[98]
    ready = f"{row.ready:.1f} s" if row.ready < inf else f"not in {READY_SECONDS:.0f} s"
    return (
        f"| {row.version} | {row.accounts:,} × {row.templates:,} | {row.series:,}"
        f" | {ready} | {row.calls:,} | {row.cpu:.2f} s"
        f" | {row.blocked * 1e3:.0f} ms ({row.paused * 1e3:.0f}) | {row.memory:.0f} MB"
        f" | {median(row.scrapes) * 1e3:.2f} ms | {p99 * 1e3:.1f} ms |"
    )


def _table(rows: list[Row]) -> str:
    head = (
        "| version | accounts × templates | series | ready | calls a minute | CPU a minute"
        " | loop blocked: CPU (clock) | memory | scrape, median | 99th percentile |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    growth = [
        f"CPU a minute grows as the number of {what} to the power of {power:.2f} ({version})"
        for version in dict.fromkeys(row.version for row in rows)
        for what, chosen in (
            ("accounts", [r for r in rows if r.templates == 10 and r.accounts >= 10]),
            ("templates", [r for r in rows if r.accounts == 1 and r.templates >= 100]),
        )
        if (power := _power([row for row in chosen if row.version == version])) is not None
    ]
    return "\n" + head + "\n".join(map(_line, rows)) + "\n\n" + "\n".join(growth)


def _power(rows: list[Row]) -> float | None:
    """The slope of CPU over size on logarithmic scales, by least squares."""
    if len(rows) < 2:
        return None
    points = [(log(row.accounts * row.templates), log(row.cpu)) for row in rows]
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
