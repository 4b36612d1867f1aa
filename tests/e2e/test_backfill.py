"""The vendor's history and live samples after it, in each store, against the ledger."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from alerting.ranges import Counters
from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.model import BILLING_UNITS, Field, Template
from sandbox_exporter.simulator.clock import SimulatedClock
from sandbox_exporter.simulator.faults import Fault, Kind
from sandbox_exporter.simulator.serve import serve
from sandbox_exporter.simulator.simulation import Settings, Simulation
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot, TemplateUsage
from sandbox_exporter.vendors.simulated import stand_ins
from tests.e2e import stores
from tests.e2e.conftest import Running, serving
from tests.rendering import whole


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# What all of them ask is made once, by the worker that they share.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backfill")]

SETTINGS = Settings(stand_ins(), templates=4)
START, SEAM, END = _at("2025-02-26T10:37"), _at("2025-03-12T12:00"), _at("2025-03-14T12:00")
DAY = 86400
LIVE_EVERY = 60
STEMS = {
    "vcpu_seconds": Field.VCPU_SECONDS,
    "memory_byte_seconds": Field.MEMORY_BYTE_SECONDS,
    "data_transfer_bytes": Field.DATA_TRANSFER_BYTES,
    "cost_usd": Field.COST_USD,
}
FLEET = Simulation(SETTINGS).fleets["prod"]
TEMPLATES = [history.template.id for history in FLEET.busy]


def _usage(start: float, end: float, template_id: str | None) -> dict[Field, float]:
    """The exact usage of the simulated account, in base units."""
    usage = FLEET.usage(round(start * 1000), round(end * 1000), template_id)
    billed = {
        Field.VCPU_SECONDS: usage.vcpu_hours,
        Field.MEMORY_BYTE_SECONDS: usage.ram_gb_hours,
        Field.DATA_TRANSFER_BYTES: usage.data_transfer_gb,
        Field.COST_USD: usage.cost_usd,
    }
    return {field: value * BILLING_UNITS.get(field, 1) for field, value in billed.items()}


class Run(NamedTuple):
    """How a run of the command ended, and what it wrote."""

    status: int
    out: str
    err: str


class Backfilled(NamedTuple):
    """A backfill that the vendor interrupted once."""

    path: Path
    first: Run
    second: Run


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory: pytest.TempPathFactory) -> Backfilled:
    """Two weeks by the minute; the last template's trends fail until the second run."""
    folder = tmp_path_factory.mktemp("backfill")
    (folder / "key").write_text(SETTINGS.vendors[0].accounts[0].api_key)

    async def run() -> Run:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sandbox_exporter", "backfill", "--resolution", "minute"),
            *("--config.file", "config.yml", "--output", "history.om"),
            *("--from", "2025-02-26T10:37", "--to", "2025-03-12T12:00"),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Run(process.returncode or 0, out.decode(), err.decode())

    async def interrupted() -> tuple[Run, Run]:
        clock = SimulatedClock()
        clock.set(now=END, speed=0)
        async with serve(SETTINGS, port=0, clock=clock) as simulator:
            (folder / "config.yml").write_text(
                "accounts:\n  - name: prod\n    provider: seacloud\n"
                f"    base_url: {simulator.base_url('seacloud')}\n"
                "    api_key: {file: key}\n    max_requests_per_minute: 6000\n"
            )
            faults = simulator.simulation.faults
            faults.put(Fault(Kind.STATUS, "trends", template_id=TEMPLATES[-1], status=403))
            first = await run()
            faults.clear()
            return first, await run()

    return Backfilled(folder / "history.om", *asyncio.run(interrupted()))


def _live_lines() -> Iterator[str]:
    """What scrapes of the exporter say from the seam on, with their times, series by series."""
    ledger = Ledger(MonthClose())
    ledger.meet(TEMPLATES)
    series: dict[str, list[str]] = defaultdict(list)
    for now in range(SEAM + LIVE_EVERY, END + 1, LIVE_EVERY):
        window = ledger.close.window(now)
        scopes = {ACCOUNT_SCOPE: None, **{name: name for name in TEMPLATES}}
        for scope, template_id in scopes.items():
            ledger.record(scope, window, _usage(window.start, window.end, template_id), now)
        account = AccountSnapshot(
            "seacloud",
            "prod",
            tried=True,
            usage=ledger.show(ACCOUNT_SCOPE, now),
            templates=tuple(
                TemplateUsage(Template(name), ledger.show(name, now)) for name in TEMPLATES
            ),
        )
        for line in whole(Snapshot((account,)))[1].splitlines():
            if line.startswith("sandbox_"):
                series[line.rpartition(" ")[0]].append(f"{line} {now}\n")
    for lines in series.values():
        yield from lines
    yield "# EOF\n"


Increase = Callable[[str, str | None, float, float], float]


@pytest.fixture(scope="module", params=stores.AVAILABLE)
def increase(
    request: pytest.FixtureRequest,
    backfilled: Backfilled,
    find_program: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Increase]:
    """What counters grew by, as a store answers it that has the backfilled and the live samples."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "live.om").write_text("".join(_live_lines()))
    (folder / "prometheus.yml").touch()
    store = stores.store(request.param, find_program, folder)
    store.write(backfilled.path)
    store.write(folder / "live.om")
    with ExitStack() as stack:

        def start(command: list[str], port: int, ready: str) -> Running:
            server = serving(command, port, ready, folder / "log", dict(os.environ))
            return stack.enter_context(server)

        yield partial(_query, store.start(start, folder / "prometheus.yml"))


def _query(
    server: Running, metric: str, template_id: str | None, start: float, end: float
) -> float:
    labels = f'{{template_id="{template_id}"}}' if template_id else ""
    counters = Counters(f"{metric}{labels}", "account, template_id")
    query = counters.growth_of_range(f"{round((end - start) * 1000)}ms")
    asked = {"query": query, "time": f"{end:.3f}"}
    result = server.get("/api/v1/query", params=asked).json()["data"]["result"]
    assert len(result) == 1, f"{metric}{labels} has {len(result)} series"
    return float(result[0]["value"][1])


def _pick(rng: random.Random) -> tuple[str, Field, str | None]:
    stem, field = rng.choice(list(STEMS.items()))
    template_id = rng.choice([None, *TEMPLATES])
    level = "account" if template_id is None else "template"
    return f"sandbox_{level}_{stem}_total", field, template_id


def test_interruption_is_told_and_survived(backfilled: Backfilled) -> None:
    """A refusal in the middle ends the first run with one line; the second ends the work."""
    assert backfilled.first.status == 1
    told = [line for line in backfilled.first.err.splitlines() if "level=info" not in line]
    assert len(told) == 1
    assert told[0].startswith(f"backfill: prod, {TEMPLATES[-1]}, 2025-02-26")
    assert "HTTP 403" in told[0]
    assert backfilled.second.status == 0
    assert not backfilled.path.with_name("history.om.parts").exists()


def test_the_command_that_is_printed_makes_blocks(
    backfilled: Backfilled, find_program: Callable[[str], str]
) -> None:
    """It can be pasted as it is."""
    command = next(line for line in backfilled.second.out.splitlines() if "promtool" in line)
    said = shlex.split(command)
    folder = backfilled.path.parent
    subprocess.run([find_program(said[0]), *said[1:]], cwd=folder, check=True, capture_output=True)
    assert list((folder / said[-1]).glob("*/meta.json"))


def test_aligned_ranges_are_exact(increase: Increase) -> None:
    """From midnights and the turn of the month to any live sample, nothing is lost or added."""
    rng = random.Random(1)
    midnights = range(START // DAY * DAY + DAY, SEAM, DAY)
    for _ in range(120):
        metric, field, template_id = _pick(rng)
        start = rng.choice([START, *midnights])
        ends = [*(m for m in midnights if m > start), *range(SEAM, END + 1, LIVE_EVERY)]
        end = rng.choice(ends)
        exact = _usage(start, end, template_id)[field]
        assert increase(metric, template_id, start, end) == pytest.approx(exact, rel=1e-9), (
            f"{metric} of {template_id or 'the account'}, {start} to {end}"
        )


def test_ranges_between_any_two_samples_are_within_a_thousandth(increase: Increase) -> None:
    """Within a day the vendor's rounded points are all there is to know."""
    rng = random.Random(2)
    for _ in range(120):
        metric, field, template_id = _pick(rng)
        start = rng.randrange(START // 60, (END - 2 * DAY) // 60) * 60
        end = rng.randrange((start + 2 * DAY) // 60, END // 60) * 60
        exact = _usage(start, end, template_id)[field]
        assert increase(metric, template_id, start, end) == pytest.approx(exact, rel=1e-3), (
            f"{metric} of {template_id or 'the account'}, {start} to {end}"
        )


def test_ranges_between_samples_are_within_a_thousandth(increase: Increase) -> None:
    """Ranges that begin and end anywhere; the last sample before an end counts."""
    rng = random.Random(3)
    for _ in range(60):
        stem, field = rng.choice(list(STEMS.items()))
        start = round(rng.uniform(START, END - 6 * DAY), 3)
        end = round(rng.uniform(start + 5 * DAY, END), 3)
        exact = _usage(start, end, None)[field]
        metric = f"sandbox_account_{stem}_total"
        assert increase(metric, None, start, end) == pytest.approx(exact, rel=1e-3), (
            f"{metric}, {start} to {end}"
        )
