"""A month's turn, a restart and a correction, asked of each store in PromQL."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from alerting.ranges import DAY, Counters
from alerting.ranges import HOUR as AN_HOUR
from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Month, MonthClose, Window
from sandbox_exporter.model import GB, GIB, HOUR, Field, Readings, Template
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.snapshot import Snapshot
from sandbox_exporter.vendors import Endpoint, TemplatePage
from sandbox_exporter.vendors.base import Rounding
from tests.rendering import whole
from tests.stand_ins import NoClient

TURN = Month(2026, 11).start
START, END = TURN - 10 * HOUR, TURN + 10 * HOUR
CLOSE = MonthClose()
CORRECTED = range(TURN + 4 * HOUR, TURN + 5 * HOUR)
"""When the vendor takes back a part of each total."""
RESTARTED = (TURN - 3 * HOUR, TURN + 60, TURN + 400, TURN + 3 * HOUR)
"""In the old month, while it settles, while zeros are shown, and in the new month."""
SERIES = {
    "vcpu_seconds": Field.VCPU_SECONDS,
    "memory_byte_seconds": Field.MEMORY_BYTE_SECONDS,
    "data_transfer_bytes": Field.DATA_TRANSFER_BYTES,
    "cost_usd": Field.COST_USD,
}


# Tracing each line of two days by the minute would double the time; other tests cover them.
pytestmark = [pytest.mark.no_cover, pytest.mark.slow]


class FleetVendor:
    """The simulator's fleet as a provider, without the sockets between."""

    name = "seacloud"
    rounding = Rounding()

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.now = START
        self.endpoints = (Endpoint("summary", self._summary),)
        self.templates = self

    async def _summary(self, window: Window) -> Readings:
        return self.totals(window.start, window.end)

    async def usage(self, template_id: str, window: Window) -> Readings:
        """One template's totals."""
        return self.totals(window.start, window.end, template_id)

    async def page(self, offset: int) -> TemplatePage:
        """All templates of the fleet."""
        listed = [Template(h.template.id) for h in self.fleet.listed(self.now * 1000)]
        return TemplatePage(listed[offset:], len(listed[offset:]))

    def totals(self, start: int, end: int, template_id: str | None = None) -> Readings:
        """Exact usage, less what is taken back for a while."""
        share = 0.9 if self.now in CORRECTED else 1.0
        exact = self.exact(start, end, template_id)
        return {field: value * share for field, value in exact.items()}

    def exact(self, start: int, end: int, template_id: str | None = None) -> Readings:
        """The ledger's usage of the seconds [start, end), in base units."""
        used = self.fleet.usage(start * 1000, end * 1000, template_id)
        return {
            Field.VCPU_SECONDS: used.vcpu_hours * HOUR,
            Field.MEMORY_BYTE_SECONDS: used.ram_gb_hours * GIB * HOUR,
            Field.DATA_TRANSFER_BYTES: used.data_transfer_gb * GB,
            Field.COST_USD: used.cost_usd,
        }


def exporter(vendor: FleetVendor, ledger: Ledger, clock: Callable[[], float]) -> AccountPoller:
    """The poller of one account, in the vendor's time."""
    account = Account("a", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))
    upstream = Upstream(vendor, cast(Client, NoClient()), Limiter(10_000, clock))
    observer = SelfMetrics().account(account)
    return AccountPoller(
        account, upstream, ledger, Timing(CLOSE, 300.0, clock, clock), observer, clock
    )


def scrapes(vendor: FleetVendor) -> dict[str, dict[str, list[tuple[int, str]]]]:
    """A day of polls and scrapes by the minute: family, series, samples."""
    found: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))

    def clock() -> float:
        return float(vendor.now)

    poller = exporter(vendor, Ledger(CLOSE), clock)
    with asyncio.Runner() as runner:
        for now in range(START, END + 1, 60):
            vendor.now = now
            if any(now - 60 < moment <= now for moment in RESTARTED):
                ledger = Ledger(CLOSE)
                if now > TURN:
                    ledger.restore(poller.ledger.marks(now))
                poller = exporter(vendor, ledger, clock)
            runner.run(poller.poll())
            for line in whole(Snapshot((poller.snapshot(),)))[0].splitlines():
                if line.startswith(("sandbox_account", "sandbox_template")):
                    series, value = line.rsplit(" ", 1)
                    found[series.partition("{")[0]][series].append((now, value))
    return found


def write_openmetrics(found: dict[str, dict[str, list[tuple[int, str]]]], path: Path) -> None:
    """The samples with their times, as promtool reads them."""
    with path.open("w") as file:
        for name, series in found.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            file.write(f"# TYPE {name.removesuffix('_total')} {kind}\n")
            for labelled, samples in series.items():
                file.writelines(f"{labelled} {value} {now}\n" for now, value in samples)
        file.write("# EOF\n")


def ask(prometheus: Any, promql: str, now: int) -> float:
    """The single value of an instant query."""
    answer = prometheus.get("/api/v1/query", params={"query": promql, "time": now}).json()
    (sample,) = answer["data"]["result"]
    return float(sample["value"][1])


def test_growth_over_a_turn_is_the_ledgers(
    prometheus: Callable[..., Any], write_blocks: Callable[[Path], None], tmp_path: Path
) -> None:
    """For 200 random series and ranges between samples, the answer is exact on each store.

    The old month was restarted without a state file, the new one with it. Ranges neither start
    nor end while a counter settles, shows its zeros, or waits for a correction to be caught up:
    then it is behind the ledger on purpose.
    """
    vendor = FleetVendor(Fleet(7, "turn", 12))
    samples = scrapes(vendor)
    path = tmp_path / "samples.om"
    write_openmetrics(samples, path)
    write_blocks(path)
    server = prometheus()
    random = Random(5)
    on_purpose = [range(TURN, TURN + 420), range(CORRECTED.start, END - HOUR)]
    moments = [
        now for now in range(START, END + 1, 60) if not any(now in times for times in on_purpose)
    ]
    templates = [history.template.id for history in vendor.fleet.listed(START * 1000)]
    turns = 0
    for _ in range(200):
        start, end = sorted(random.sample(moments, 2))
        stem, field = random.choice(list(SERIES.items()))
        template_id = random.choice([None, *templates])
        level, label = ("account", "") if template_id is None else ("template", template_id)
        selector = f'{{template_id="{label}"}}'
        counter = f"sandbox_{level}_{stem}_total{selector}"
        counters = Counters(counter, "account, template_id")
        window = f"{end - start}s"
        exact = vendor.exact(start, end, template_id)[field]
        largest = vendor.exact(Month.at(START).start, TURN, template_id)[field]
        close = pytest.approx(exact, rel=1e-9, abs=1e-9 * (largest + 1))
        for asked in (
            counters.growth(window),
            counters.growth_of_range(window, cell=AN_HOUR),
            counters.growth_of_range(window, cell=DAY),
        ):
            assert ask(server, asked, end) == close, (start, end, asked)
        turns += start < TURN < end
    assert turns > 50


def test_month_to_date_and_previous_month(
    prometheus: Callable[..., Any], write_blocks: Callable[[Path], None], tmp_path: Path
) -> None:
    """The counter itself is the month to date; its last value before the turn the closed month."""
    vendor = FleetVendor(Fleet(7, "turn", 4))
    path = tmp_path / "samples.om"
    write_openmetrics(scrapes(vendor), path)
    write_blocks(path)
    server = prometheus()
    cost = "sandbox_account_cost_usd_total"
    closed = vendor.exact(Month.at(START).start, TURN)[Field.COST_USD]
    assert ask(server, cost, TURN + 240) == pytest.approx(closed, rel=1e-12)
    assert ask(server, cost, TURN + 360) == 0.0
    to_date = vendor.exact(TURN, END)[Field.COST_USD]
    assert ask(server, cost, END) == pytest.approx(to_date, rel=1e-12)
    corrected = ask(server, "sandbox_account_month_cost_usd", CORRECTED.start + 60)
    assert corrected < ask(server, cost, CORRECTED.start + 60)
