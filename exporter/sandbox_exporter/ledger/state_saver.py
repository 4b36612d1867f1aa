"""Keeps the ledgers' marks in the state file while the exporter runs."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from typing import Protocol, runtime_checkable

from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import LONGEST_CLOSE, Month
from sandbox_exporter.ledger.scope import LIFETIME, SHOWN, Marks
from sandbox_exporter.ledger.state_file import StateFile, encode
from sandbox_exporter.model import Readings

LOOK_EVERY = 5.0
"""Seconds between two looks for births whose 0 was scraped; and between saves that fail."""
_REST = 0.1
"""Seconds between two saves at least."""
_SHARE = 10
"""Saving takes one part in so many of the time."""

_STEP = 500
"""Marks that are collected at one go."""

log = logging.getLogger("sandbox_exporter.poll")


@runtime_checkable
class Remembering(Protocol):
    """A provider that knows something which it could not ask for again after a restart."""

    def memory(self) -> object:
        """That, as JSON for the state file, without any secret."""
        ...

    def recall(self, memory: object) -> None:
        """Goes on from it, before the first call; raises `ValueError` if it is not understood."""
        ...


class Poller(Protocol):
    """What fills a ledger, as far as saving asks."""

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        ...

    @property
    def identity(self) -> str:
        """What makes the account the same one after a restart; the key in the state file."""
        ...

    @property
    def provider(self) -> object:
        """What may have to remember something beside the ledger."""
        ...

    @property
    def ledger(self) -> Ledger:
        """The counters."""
        ...

    @property
    def tried(self) -> bool:
        """Whether a first poll has ended, well or not."""
        ...


class StateSaver:
    """Restores ledgers from a state file, and saves them when polls changed them.

    What a poll brought is shown only once it is saved, or cannot be: so whatever was scraped is in
    the file, and a restart never shows a counter below it.

    `told` is told how each save went. `served` tells by an account's name when what everybody who
    is served has seen of it was taken (monotonic seconds).
    """

    def __init__(
        self,
        file: StateFile,
        pollers: Callable[[], Iterable[Poller]],
        told: Callable[[bool], None] = lambda _: None,
        served: Callable[[str], float] = lambda _: -math.inf,
    ) -> None:
        self._file = file
        self._pollers = pollers
        self._told = told
        self._served = served
        self._marks = file.load()
        self._texts: dict[str, str] = {}
        """Each account's marks as they are written."""
        self._seen: dict[str, float] = {}
        """What `served` said of each account, by name, when its marks were collected."""
        self._saved: dict[str, float] = {}
        """The same as of the last save that succeeded."""
        self._memories = {key: json.dumps(kept) for key, kept in file.memories.items()}
        """What each account's provider has to remember, as it is written."""
        self._stale: set[str] | None = None
        """Accounts by name whose marks changed since they were written; None for all."""
        self._changed = asyncio.Event()
        self._waiting: dict[str, Callable[[], None]] = {}
        """What shows each account's newest results, by name, once they are saved."""
        self._saving: dict[str, Callable[[], None]] = {}
        """The same of the save that is under way."""
        self._one = asyncio.Lock()
        """Of two saves at once the first to end would show what the other has not saved yet."""
        self._failing = False

    def restore(self, identity: str, ledger: Ledger) -> None:
        """Gives a new ledger the marks that were saved for its account."""
        ledger.persistent = True
        marks = self._marks.get(identity)
        if marks is not None:
            ledger.restore(marks)

    def recall(self, poller: Poller) -> None:
        """Gives a new provider what was saved of its account, if it has to remember anything."""
        kept, provider = self._memories.get(poller.identity), poller.provider
        if kept is None or not isinstance(provider, Remembering):
            return
        try:
            provider.recall(json.loads(kept))
        except ValueError as error:
            log.warning(
                "what the provider had to remember is not understood, it starts anew",
                extra={"account": poller.name, "error": str(error)},
            )

    def publish(self, account: str, show: Callable[[], None]) -> None:
        """Saves what a poll changed of an account; `show` is called then, or when that failed."""
        self._waiting[account] = show
        self.changed(account)

    def withdraw(self, account: str) -> None:
        """Shows nothing any more of what an account's poller before a reload has published."""
        self._waiting.pop(account, None)
        self._saving.pop(account, None)

    def changed(self, account: str | None = None) -> None:
        """Notes that there is something to save, of one account or of any."""
        if account is None:
            self._stale = None
        elif self._stale is not None:
            self._stale.add(account)
        self._changed.set()

    async def run(self) -> None:
        """Saves what changes, soon; runs until it is cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._changed.wait()
            self._look_for_births()
            if self._changed.is_set():
                began = clock()
                await self.save()
                took = clock() - began
                await asyncio.sleep(LOOK_EVERY if self._failing else max(_REST, _SHARE * took))

    def saved(self, account: str) -> float:
        """What `served` said when the account's saved marks were collected.

        The file knows every birth until then; minus infinity before the first save.
        """
        return self._saved.get(account, -math.inf)

    def _look_for_births(self) -> None:
        """Has births saved whose 0 was served since: only then may they show their value."""
        for poller in self._pollers():
            name = poller.name
            if poller.tried and poller.ledger.born(self.saved(name), self._served(name)):
                self.changed(name)

    async def save(self) -> None:
        """Writes the file, and shows what waited for that.

        A failure is logged when it begins, and tried again until it ends.
        """
        async with self._one:
            self._changed.clear()
            self._saving, self._waiting = self._waiting, {}
            try:
                await self._write()
            finally:
                for show in self._saving.values():
                    show()
                self._saving = {}

    async def _write(self) -> None:
        await self._encode(time.time())
        seen = dict(self._seen)
        try:
            await asyncio.to_thread(self._file.save, dict(self._texts), dict(self._memories))
        except OSError as error:
            if not self._failing:
                log.warning("state file not saved", extra={"error": str(error)})
            self._failing = True
            self._changed.set()
        else:
            if self._failing:
                log.info("state file saved again")
            self._failing = False
            self._saved = seen
        self._told(not self._failing)

    async def _encode(self, now: float) -> None:
        """Writes the texts of accounts that changed anew.

        Until an account's first poll has ended its saved marks stay: new ones would lack what is
        not asked yet, and a restart would take that for births.
        """
        stale, self._stale = self._stale, set()
        pollers = tuple(self._pollers())
        for poller in pollers:
            name, key = poller.name, poller.identity
            if not (poller.tried and poller.ledger.known):
                continue
            if stale is None or name in stale or key not in self._texts:
                served = self._served(name)
                self._marks[key] = await _collect(poller.ledger, now, served)
                self._texts[key] = await asyncio.to_thread(encode, self._marks[key])
                self._seen[name] = served
                if isinstance(poller.provider, Remembering):
                    memory = poller.provider.memory()
                    self._memories[key] = await asyncio.to_thread(json.dumps, memory)
        self._forget({poller.identity for poller in pollers}, now)
        for key in self._marks.keys() - self._texts.keys():
            self._texts[key] = await asyncio.to_thread(encode, self._marks[key])

    def _forget(self, present: Set[str], now: float) -> None:
        """Drops accounts that are gone, once the month of their last poll cannot be shown."""
        for key in self._marks.keys() - present:
            months = [period for period in self._marks[key] if period not in (LIFETIME, SHOWN)]
            if not months:  # written by a version that did not note the month
                self._marks[key] = {**self._marks[key], str(Month.at(now)): {}}
                self._texts.pop(key, None)
            elif Month.parse(max(months)).end + LONGEST_CLOSE <= now:
                del self._marks[key]
                self._texts.pop(key, None)
                self._memories.pop(key, None)

    async def close(self) -> None:
        """Saves for the last time and lets go of the file."""
        self._stale = None
        await self.save()
        self._file.close()


async def _collect(ledger: Ledger, now: float, served: float) -> Marks:
    """A ledger's marks, a few at a time, so that scrapes are served in between.

    The month is noted even where it has none: it tells when an account was last polled.
    """
    marks: dict[str, dict[str, Readings]] = {str(Month.at(now)): {}}
    for place, (period, scope, values) in enumerate(ledger.entries(now, served), start=1):
        marks.setdefault(period, {})[scope] = values
        if place % _STEP == 0:
            await asyncio.sleep(0)
    return marks
