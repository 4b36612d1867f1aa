"""`kill -9` again and again: the state file stays whole, and no counter ever falls."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

from tests.campaign import pages
from tests.campaign.behaviours.fields import correction
from tests.campaign.behaviours.model import SUMMARY, TEMPLATE, Behaviour
from tests.campaign.hostile import write_config
from tests.campaign.process import Exporter
from tests.campaign.report import Report
from tests.campaign.server import HostileServer
from tests.campaign.vendor import Vendor, VendorAccount
from tests.campaign.watch import Watch

_ACCOUNTS = 12
_USAGE = ("sandbox_account_", "sandbox_template_")
_MOST_FILES = 3
"""The state file, its lock, and what the one save that was cut short left behind."""
_WHILE_SAVING = 3.0
"""Seconds for which a save is waited for, to be cut short."""
_MOMENTS = ("while it starts", "after the first page", "a little later", "while it saves")


class Crashes:
    """Starts, scrapes and kills one exporter with a state file, many times."""

    def __init__(self, seed: int, folder: Path, report: Report) -> None:
        self._seed = seed
        self._random = random.Random(f"{seed}/crashes")
        self._report = report
        self._state = folder / "state"
        self._state.mkdir()
        self._log = folder / "crashes.log"
        self._config = folder / "crashes.yml"
        self._watch = Watch()
        self._killed: Counter[str] = Counter()
        self._scrapes = self._corrected = 0
        accounts = [VendorAccount(f"crash{n}", "seacloud", "crash-key") for n in range(_ACCOUNTS)]
        accounts.append(VendorAccount("crash-dread", "dreadnode", "crash-key"))
        self._vendor = Vendor({account.name: account for account in accounts})
        self._server = HostileServer(self._vendor)
        self._server.start()
        state_file = f"state_file: {self._state / 'state.json'}"
        write_config(self._config, self._server, accounts, state_file)

    def run(self, kills: int) -> None:
        """Kills so many times; then a last run ends in order."""
        began = time.monotonic()
        most_files = 0
        for number in range(kills):
            moment = self._random.choice(_MOMENTS)
            self._killed[moment] += 1
            exporter = Exporter(self._config, self._log, env={})
            self._live(exporter, moment)
            exporter.kill()
            self._check_state(f"kill {number} {moment}")
            most_files = max(most_files, len(list(self._state.iterdir())))
            self._correct(self._random.random() < 0.5)
        exporter = Exporter(self._config, self._log, env={})
        exporter.wait_ready()
        self._scrape(exporter)
        status = exporter.stop()
        self._server.stop()
        left = sorted(path.name for path in self._state.iterdir())
        if status != 0:
            self._report.complain(f"after {kills} kills the exporter ended with status {status}")
        if len(left) > _MOST_FILES - 1:
            self._report.complain(f"after {kills} kills these files are left: {left}")
        table = self._report.table(
            f"kill -9 with a state file, seed {self._seed}", "what", "figure"
        )
        table.add("kills", kills)
        table.add("when", ", ".join(f"{n} {moment}" for moment, n in self._killed.items()))
        table.add("pages judged, none with a counter below any before", self._scrapes)
        table.add("times that the vendor had taken back usage meanwhile", self._corrected)
        table.add("files beside each other at most, and at the end", f"{most_files}, {len(left)}")
        table.add("minutes", (time.monotonic() - began) / 60)

    def _live(self, exporter: Exporter, moment: str) -> None:
        """Lets it run until the moment of the kill."""
        if moment == _MOMENTS[0]:
            time.sleep(self._random.uniform(0.05, 0.8))
            return
        exporter.wait_ready()
        self._scrape(exporter)
        if moment == _MOMENTS[2]:
            time.sleep(self._random.uniform(0.0, 1.5))
            self._scrape(exporter)
        elif moment == _MOMENTS[3]:
            self._wait_for_save()

    def _scrape(self, exporter: Exporter) -> pages.Page:
        self._scrapes += 1
        page = pages.read(exporter.get("/metrics")[1])
        page.samples = {s: v for s, v in page.samples.items() if s.startswith(_USAGE)}
        falls = list(self._watch.falls(page))
        if falls:
            more = f"{falls[0]}, and {len(falls) - 1} others"
            self._report.complain(f"[seed {self._seed}] after a restart: {more}")
        return page

    def _wait_for_save(self) -> None:
        """Until something moves in the state file's folder."""
        before = self._state.stat().st_mtime_ns
        end = time.monotonic() + _WHILE_SAVING
        while self._state.stat().st_mtime_ns == before and time.monotonic() < end:
            pass

    def _check_state(self, when: str) -> None:
        path = self._state / "state.json"
        try:
            if path.exists():
                json.loads(path.read_bytes())
        except ValueError as error:
            self._report.complain(f"[seed {self._seed}] {when}: state file not readable: {error}")
        files = sorted(path.name for path in self._state.iterdir())
        if len(files) > _MOST_FILES or any(name.endswith(".bad") for name in files):
            self._report.complain(f"[seed {self._seed}] {when}: files pile up: {files}")

    def _correct(self, taken_back: bool) -> None:
        """The vendor takes half of all usage back, or gives it again."""
        self._corrected += taken_back
        for account in self._vendor.accounts.values():
            fall = {
                route: Behaviour(0, route, "correction", correction(route, 0.5), True)
                for route in (SUMMARY, TEMPLATE)
                if taken_back and route in account.routes
            }
            with self._vendor.lock:
                account.arm(fall)
