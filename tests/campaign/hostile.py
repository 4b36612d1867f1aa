"""The real exporter against hostile vendors: accounts attacked side by side, each page judged."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign import pages
from tests.campaign.behaviours import behaviour
from tests.campaign.behaviours.model import TEMPLATES, Behaviour
from tests.campaign.pages import View
from tests.campaign.process import Exporter
from tests.campaign.report import Report
from tests.campaign.server import HostileServer
from tests.campaign.siege import PATIENCE, Queues, Siege
from tests.campaign.vendor import Vendor, VendorAccount
from tests.campaign.watch import MARKER, Watch, adopt, differences, inventions, leaks

_LOOK_EVERY = 0.5
"""Seconds between two looks at the page."""
_STRICT_EVERY = 30.0
"""Seconds between two readings of a page by the field's own parsers."""
_LASTING_PATIENCE = 130
"""Polls within which an account recovers that was told to wait for years."""
_STUCK = 300.0
"""Seconds without any request from an account that is attacked: then its polling has ended."""


@dataclass(frozen=True)
class Plan:
    """How large a campaign is."""

    seed: int
    behaviours: int
    seacloud: int
    dreadnode: int
    lasting: int
    only: int | None = None

    def numbered(self) -> Iterator[Behaviour]:
        """The behaviours of the plan."""
        numbers = range(self.behaviours) if self.only is None else (self.only,)
        return (behaviour(self.seed, number) for number in numbers)


@dataclass
class Figures:
    """What was measured."""

    looks: int = 0
    strict: int = 0
    slowest_page: float = 0.0
    health: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """MB over seconds since the start."""
    descriptors: list[int] = field(default_factory=list)


def write_config(
    path: Path, server: HostileServer, accounts: list[VendorAccount], *extra: str
) -> None:
    """A configuration of these accounts; their keys are in files beside it."""
    lines = ["poll_interval: 10s", *extra, "accounts:"]
    for account in accounts:
        key = path.with_name(f"{account.name}.key")
        key.write_text(account.secret)
        more = "organization: acme" if account.provider == "dreadnode" else "max_templates: 50"
        lines.append(
            f"  - {{name: {account.name}, provider: {account.provider}, {more},"
            f" base_url: {server.url(account.name)}, api_key: {{file: {key.name}}},"
            " max_requests_per_minute: 600}"
        )
    path.write_text("\n".join(lines) + "\n")


def make_accounts(
    plan: Plan,
) -> tuple[list[VendorAccount], list[VendorAccount], list[VendorAccount]]:
    """Accounts to be attacked, accounts of lasting behaviours, and those that are left in peace."""
    draw = random.Random(plan.seed)

    def make(name: str, provider: str) -> VendorAccount:
        return VendorAccount(name, provider, f"{MARKER}{draw.randbytes(9).hex()}==")

    attacked = [make(f"sea{n}", "seacloud") for n in range(plan.seacloud)]
    attacked += [make(f"dread{n}", "dreadnode") for n in range(plan.dreadnode)]
    lasting = [make(f"lasting{n}", "seacloud") for n in range(plan.lasting)]
    peace = [make("peace0", "seacloud"), make("peace1", "seacloud"), make("peace2", "dreadnode")]
    return attacked, lasting, peace


class Campaign:
    """One run of a plan."""

    def __init__(self, plan: Plan, folder: Path, report: Report) -> None:
        self._plan = plan
        self._folder = folder
        self._report = report
        self._figures = Figures()
        self._watch = Watch()
        self._seen: set[str] = set()
        self._peace_polls: dict[str, int] = {}
        """The poll at which each account left in peace was last exact."""
        self._families: Counter[str] = Counter(b.family for b in plan.numbered())
        attacked, lasting, self._peace = make_accounts(plan)
        everyone = [*attacked, *lasting, *self._peace]
        self._vendor = Vendor({account.name: account for account in everyone})
        self._server = HostileServer(self._vendor)
        self._server.start()
        queues = Queues(plan.numbered())
        slow = Queues(behaviour(plan.seed, n, lasting=True) for n in range(plan.lasting * 4))
        self._sieges = [Siege(account, queues, self._complain) for account in attacked]
        self._sieges += [Siege(a, slow, self._complain, _LASTING_PATIENCE) for a in lasting]
        self._log = folder / "exporter.log"
        config = folder / "config.yml"
        write_config(config, self._server, everyone, f"state_file: {folder / 'state.json'}")
        self._exporter = Exporter(config, self._log, env={})

    def run(self) -> None:
        """Attacks until every behaviour was played, and writes what was found."""
        self._exporter.wait_ready("/-/healthy")
        ending = threading.Event()
        health = threading.Thread(target=self._ask_health, args=(ending,), daemon=True)
        health.start()
        self._began = time.monotonic()
        try:
            self._look_until_done()
        finally:
            ending.set()
            health.join()
            status = self._exporter.stop() if self._exporter.alive else None
            self._server.stop()
        if status != 0:
            self._report.complain(f"the exporter ended with status {status}")
        self._search_files()
        self._tabulate()

    def _look_until_done(self) -> None:
        strict_at = self._began + 10.0
        before = b""
        moved_at, moved = time.monotonic(), -1
        while not all(siege.finished for siege in self._sieges):
            started = time.monotonic()
            if not self._exporter.alive:
                self._report.complain(f"the exporter died: see {self._log}")
                return
            status, body = self._exporter.get("/metrics")
            self._figures.slowest_page = max(self._figures.slowest_page, time.monotonic() - started)
            if status != 200:
                self._once(f"/metrics answered {status}")
            if body != before:
                self._look(body)
                before = body
            if started > strict_at:
                self._look_strictly(body)
                strict_at = started + _STRICT_EVERY
            requests = sum(account.requests for account in self._vendor.accounts.values())
            if requests != moved:
                moved_at, moved = started, requests
            elif started - moved_at > _STUCK:
                self._report.complain(f"nothing was asked for {_STUCK:.0f} s")
                return
            time.sleep(_LOOK_EVERY)

    def _look(self, body: bytes) -> None:
        figures = self._figures
        figures.looks += 1
        figures.memory.append((time.monotonic() - self._began, self._exporter.memory()))
        figures.descriptors.append(self._exporter.descriptors())
        page = pages.read(body)
        faults = [*(f"invalid line: {line}" for line in page.broken), *self._watch.falls(page)]
        for fault in (*faults, *leaks(body)):
            self._once(fault)
        with self._vendor.lock:
            for stray in self._vendor.strays:
                self._once(stray)
            for siege in self._sieges:
                account, view = siege.account, page.views.get(siege.account.name, View())
                fault = inventions(account, view)
                if fault:
                    attack = siege.attack
                    key = f"{account.name} {[behaviour.index for behaviour in attack]}"
                    self._once(f"{account.name}: {fault}", attack, key)
                    adopt(account, view)
                if not siege.finished:
                    siege.look(view)
            self._look_at_peace(page)

    def _look_at_peace(self, page: pages.Page) -> None:
        """Accounts that nobody attacks fare as if they were alone."""
        for account in self._peace:
            view = page.views.get(account.name, View())
            if view.account_up is None and account.polls < PATIENCE:
                continue
            down = [endpoint for endpoint, up in view.up.items() if up != 1.0]
            if down or view.account_up != 1.0 or any(view.errors.values()):
                fault = f"{account.name} is left in peace, but {down} down, {view.errors}"
                self._once(fault, key=f"{account.name} fails")
            wrong = [
                d for r in account.routes if r != TEMPLATES for d in differences(account, view, r)
            ]
            if not wrong:
                self._peace_polls[account.name] = account.polls
            elif account.polls > self._peace_polls.get(account.name, 0) + PATIENCE:
                self._once(f"{account.name} is not exact: {wrong[0]}", key=f"{account.name} value")

    def _look_strictly(self, body: bytes) -> None:
        self._figures.strict += 1
        openmetrics = self._exporter.get("/metrics", "application/openmetrics-text")[1]
        for fault in (*pages.strict_faults(body, openmetrics), *leaks(openmetrics)):
            self._once(fault)
        promtool = shutil.which("promtool")
        if promtool:
            said = pages.promtool_faults(promtool, body)
            if said:
                self._once(f"promtool: {said[:500]}")

    def _ask_health(self, ending: threading.Event) -> None:
        while not ending.wait(0.25):
            started = time.monotonic()
            try:
                status = self._exporter.get("/-/healthy")[0]
            except OSError as error:
                status = 0
                if not ending.is_set() and self._exporter.alive:
                    self._once(f"/-/healthy: {error}")
            self._figures.health.append(time.monotonic() - started)
            if status not in (0, 200):
                self._once(f"/-/healthy answered {status}")

    def _search_files(self) -> None:
        """No planted key is in the log or the state file."""
        for path in (self._log, self._folder / "state.json"):
            found = [fault for line in path.read_bytes().splitlines() for fault in leaks(line)]
            if found:
                self._report.complain(f"{path.name}: {len(found)} times {found[0]}")

    def _complain(self, text: str, behaviours: list[Behaviour]) -> None:
        attack = "; ".join(map(str, behaviours))
        seconds = time.monotonic() - self._began
        self._report.complain(f"[seed {self._plan.seed}, {seconds:.0f} s] {text} [{attack}]")

    def _once(
        self, text: str, behaviours: list[Behaviour] | None = None, key: str | None = None
    ) -> None:
        key = key or text
        if key not in self._seen:
            self._seen.add(key)
            self._complain(text, behaviours or [])

    def _tabulate(self) -> None:
        figures, plan = self._figures, self._plan
        seconds = figures.memory[-1][0] if figures.memory else 0.0
        done = sum(siege.done for siege in self._sieges)
        lines = self._log.read_bytes().count(b"\n")
        polls = sum(account.polls for account in self._vendor.accounts.values())
        requests = sum(account.requests for account in self._vendor.accounts.values())
        table = self._report.table(f"Hostile vendors, seed {plan.seed}", "what", "figure")
        table.add("behaviours played", done)
        table.add("families of behaviours", len(self._families))
        table.add(
            "accounts attacked, and left in peace", f"{len(self._sieges)}, {len(self._peace)}"
        )
        table.add("minutes", seconds / 60)
        table.add("polls, requests", f"{polls:,}, {requests:,}")
        table.add(
            "pages judged, of them by parsers and promtool",
            f"{figures.looks:,}, {figures.strict:,}",
        )
        table.add("slowest page, seconds", figures.slowest_page)
        table.add("slowest /-/healthy, seconds", max(figures.health, default=0.0))
        quarters = [_nearest(figures.memory, seconds * share / 4) for share in range(1, 5)]
        quarters.insert(0, _nearest(figures.memory, min(30.0, seconds / 8)))
        table.add(
            "resident memory at the start and after each quarter, MB",
            ", ".join(f"{mb:.0f}" for mb in quarters),
        )
        table.add("most resident memory, MB", max((mb for _, mb in figures.memory), default=0.0))
        table.add(
            "open descriptors at the start, at most, at the end",
            f"{figures.descriptors[0]}, {max(figures.descriptors)}, {figures.descriptors[-1]}",
        )
        table.add("log lines a poll", lines / max(1, polls))


def _nearest(series: list[tuple[float, float]], moment: float) -> float:
    return min(series, key=lambda point: abs(point[0] - moment))[1] if series else 0.0
