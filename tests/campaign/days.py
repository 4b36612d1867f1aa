"""Simulated days, polled and scraped, and the increase() of a real Prometheus against the books."""

from __future__ import annotations

import asyncio
import bisect
import json
import logging
import math
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Month, MonthClose
from sandbox_exporter.ledger.scope import Marks
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.snapshot import Snapshot
from sandbox_exporter.vendors import build
from tests.campaign.books import DAY, HOUR, MINUTE, TURN, Books, Scenario
from tests.campaign.process import free_port
from tests.campaign.report import Report, Table
from tests.campaign.scenarios import SCENARIOS
from tests.rendering import whole
from tests.stand_ins import NoClient

CLOSE = MonthClose()
SERIES = {
    "vcpu_seconds_total": ("vcpu_hours", HOUR),
    "cost_usd_total": ("usage_costs_usd", 1),
}
"""The counters that are compared: the vendor's number, and base units in one of it."""
LARGEST_ERROR = 1e-6
"""Relative, in every scenario that the contract promises."""
_SMALLEST = 1e-4
"""Share of a month's total below which a range's usage is drowned by the floats' own noise."""
_RECOVERY = 3 * MINUTE
"""Seconds after a disturbance within which counters may still be behind."""

Samples = dict[str, dict[str, list[tuple[int, str]]]]
"""By family and series: time and value."""


class BooksClient(NoClient):
    """Stands in for the HTTP client: the answers come from the books."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def get(
        self, endpoint: str, path: str, params: Mapping[str, str | int] | None = None
    ) -> object:
        """The books' answer."""
        return self._books.get(endpoint, params or {})


@dataclass
class Simulation:
    """One scenario as the exporter lives through it."""

    scenario: Scenario
    seed: int
    days: int = 5
    """Days before the turn, and after it."""
    samples: Samples = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    moments: list[int] = field(default_factory=list)
    """When it was scraped, by the right time."""

    def __post_init__(self) -> None:
        self.books = Books(self.scenario, self.seed)
        self.books.now = TURN - self.days * DAY  # the poller's monotonic clock begins there
        self._poller = self._start(None)

    def run(self, runner: asyncio.Runner) -> None:
        """Polls and scrapes: by the minute around the turn, else each four minutes."""
        random = Random(f"{self.seed}/{self.scenario.name}")
        restarts = [TURN + moment for moment in self.scenario.restarts]
        now = TURN - self.days * DAY
        while now < TURN + self.days * DAY:
            near = -4 * HOUR <= now - TURN < 7 * HOUR or self._disturbed(now)
            step = MINUTE if near else 4 * MINUTE
            now += step
            self.books.now = now
            if any(now - step < moment <= now for moment in restarts):
                self._poller = self._start(self._poller.ledger.marks(self._wall()))
            runner.run(self._poller.poll())
            if random.random() >= self.scenario.lost or self._disturbed(now):
                self._scrape(now)

    def _scrape(self, now: int) -> None:
        self.moments.append(now)
        for line in whole(Snapshot((self._poller.snapshot(),)))[0].splitlines():
            if line.startswith("#"):
                continue
            series, _, value = line.rpartition(" ")
            name = series.partition("{")[0]
            if name.split("_", 2)[-1] in SERIES:
                self.samples[name][series].append((now, value))

    def _disturbed(self, now: int) -> bool:
        """Whether something happens near a moment, so that each minute counts."""
        ends = [moment for span, _ in self.scenario.clock for moment in span]
        ends += [*self.scenario.births, *self.scenario.restarts]
        ends += [moment for span in self.scenario.down for moment in span]
        return any(abs(now - TURN - moment) < 10 * MINUTE for moment in ends)

    def _wall(self) -> float:
        """The exporter's clock, right or wrong."""
        wrong = (by for (start, end), by in self.scenario.clock if start <= self._since < end)
        return float(self.books.now + sum(wrong))

    @property
    def _since(self) -> int:
        return self.books.now - TURN

    def _start(self, marks: Marks | None) -> AccountPoller:
        account = Account(
            self.scenario.name, "seacloud", "http://127.0.0.1", SecretRef("env", "NONE")
        )
        ledger = Ledger(CLOSE)
        ledger.persistent = True  # there is a state file
        if marks is not None:
            ledger.restore(marks)
        client = cast(Client, BooksClient(self.books))
        clock = lambda: float(self.books.now)  # noqa: E731 - the monotonic clock is never wrong
        return AccountPoller(
            account,
            Upstream(build(account, client), client, Limiter(10_000, clock)),
            ledger,
            Timing(CLOSE, 300.0, self._wall, clock),
            SelfMetrics().account(account),
            clock,
        )

    def sure(self) -> list[int]:
        """Scrapes at which the counters are no longer or not yet behind the books on purpose."""
        scenario = self.scenario
        spans = [(0, CLOSE.settle + CLOSE.zero + _RECOVERY), *scenario.unsure]
        spans += [(start, end + _RECOVERY) for start, end in scenario.down]
        spans += [
            (start - MINUTE, end + 10 * MINUTE + _RECOVERY) for (start, end), _ in scenario.clock
        ]
        spans += [(moment, moment + 2 * _RECOVERY) for moment in scenario.births]
        spans += [(moment, moment + _RECOVERY) for moment in scenario.restarts]
        if scenario.promised:
            spans += self._held()
        return [now for now in self.moments if not any(a <= now - TURN < b for a, b in spans)]

    def _held(self) -> Iterator[tuple[int, int]]:
        """While a counter holds what the vendor has taken back."""
        for correction in self.scenario.corrections:
            start, end = correction.span
            for scope in (None, self.books.ids[correction.template]):
                mark = self.books.booked(Month.at(TURN + start), TURN + start - 1, scope)
                back = next(
                    (
                        now - TURN
                        for now in range(TURN + start, TURN + min(end, self.days * DAY), 4 * MINUTE)
                        if self.books.booked(Month.at(TURN + start), now, scope)["vcpu_hours"]
                        >= mark["vcpu_hours"]
                    ),
                    end,
                )
                yield start - MINUTE, min(back, end) + 5 * MINUTE


@dataclass
class Comparison:
    """How far increase() is from the books."""

    ranges: int = 0
    turns: int = 0
    worst: float = 0.0
    where: str = ""


def run(seed: int, folder: Path, report: Report, days: int, ranges: int) -> None:
    """Simulates every scenario, and compares many ranges of each."""
    table = report.table(
        f"A month's turn, {2 * days} simulated days each, seed {seed}",
        *("scenario", "promised", "ranges", "over the turn", "largest relative error"),
    )
    prometheus = shutil.which("prometheus")
    if prometheus is None or shutil.which("promtool") is None:
        report.complain("the real Prometheus is not installed: scripts/real-servers installs it")
        return
    logging.getLogger("sandbox_exporter").setLevel(logging.CRITICAL)  # outages are many here
    simulations = [Simulation(scenario, seed, days) for scenario in SCENARIOS]
    with asyncio.Runner() as runner:
        for simulation in simulations:
            began = time.monotonic()
            simulation.run(runner)
            print(f"{simulation.scenario.name}: {time.monotonic() - began:.0f} s", flush=True)
    path = folder / "days.om"
    _write(simulations, path)
    with _prometheus(prometheus, path, folder) as url:
        for simulation in simulations:
            _judge(url, simulation, ranges, table, report)


def _judge(url: str, simulation: Simulation, ranges: int, table: Table, report: Report) -> None:
    found = _compare(url, simulation, ranges)
    scenario = simulation.scenario
    promised = "yes" if scenario.promised else "no"
    table.add(scenario.name, promised, found.ranges, found.turns, f"{found.worst:.1e}")
    if scenario.promised and found.worst > LARGEST_ERROR:
        report.complain(f"{scenario.name}: relative error {found.worst:.2g} in {found.where}")


def _compare(url: str, simulation: Simulation, ranges: int) -> Comparison:
    random = Random(f"{simulation.seed}/{simulation.scenario.name}/ranges")
    books, moments = simulation.books, simulation.sure()
    found = Comparison()
    middle = bisect.bisect(moments, TURN)
    while found.ranges < ranges:
        if found.ranges % 2:
            start, end = random.choice(moments[:middle]), random.choice(moments[middle:])
        else:
            start, end = sorted(random.sample(moments, 2))
        template_id = random.choice([None, *books.ids])
        stem, (number, unit) = random.choice(list(SERIES.items()))
        exact, month_total = _exact(books, start, end, template_id, number)
        if exact < max(_SMALLEST * month_total, 1e-9):
            found.ranges += 1
            continue
        level = "account" if template_id is None else "template"
        selector = f'account="{simulation.scenario.name}"' + (
            f',template_id="{template_id}"' if template_id else ""
        )
        query = f"increase(sandbox_{level}_{stem}{{{selector}}}[{end - start}s])"
        got = _ask(url, query, end)
        error = abs(got - exact * unit) / (exact * unit) if not math.isnan(got) else math.inf
        found.ranges += 1
        found.turns += start < TURN < end
        if error > found.worst:
            found.worst = error
            found.where = f"{query} at {end} (turn {end - TURN:+} s): {got}, not {exact * unit}"
    return found


def _exact(
    books: Books, start: int, end: int, template_id: str | None, number: str
) -> tuple[float, float]:
    """Usage booked between two moments, and the larger month total at either."""
    first, last = Month.at(start), Month.at(end)
    before = books.booked(first, start, template_id)[number]
    after = books.booked(last, end, template_id)[number]
    if first == last:
        return after - before, after
    closed = books.booked(first, first.end + 5 * MINUTE, template_id)[number]
    if not books.scenario.promised:
        closed = books.booked(first, end, template_id)[number]
    return closed - before + after, max(closed, after)


def _write(simulations: list[Simulation], path: Path) -> None:
    """All samples as one OpenMetrics file."""
    families: Samples = defaultdict(dict)
    for simulation in simulations:
        for name, series in simulation.samples.items():
            families[name].update(series)
    with path.open("w") as file:
        for name, series in families.items():
            file.write(f"# TYPE {name.removesuffix('_total')} counter\n")
            for labelled, samples in series.items():
                file.writelines(f"{labelled} {value} {now}\n" for now, value in samples)
        file.write("# EOF\n")


@contextmanager
def _prometheus(program: str, openmetrics: Path, folder: Path) -> Iterator[str]:
    """A real Prometheus over the samples; its URL."""
    blocks, port = folder / "tsdb", free_port()
    subprocess.run(
        [
            *("promtool", "tsdb", "create-blocks-from", "openmetrics"),
            *("--max-block-duration=768h", str(openmetrics), str(blocks)),
        ],
        check=True,
        capture_output=True,
    )
    config = folder / "prometheus.yml"
    config.write_text("scrape_configs: []\n")
    url = f"http://127.0.0.1:{port}"
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={blocks}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _answers(f"{url}/-/ready"):
            assert process.poll() is None, f"Prometheus ended: see {log.name}"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _answers(url: str) -> bool:
    try:
        with _OPENER.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _ask(url: str, promql: str, now: int) -> float:
    """The single value of an instant query; NaN when there is none."""
    query = urllib.parse.urlencode({"query": promql, "time": now})
    with _OPENER.open(f"{url}/api/v1/query?{query}", timeout=60) as response:
        result = json.load(response)["data"]["result"]
    return float(result[0]["value"][1]) if result else math.nan
