"""Keeps the ledgers' marks in the state file while the exporter runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from sandbox_exporter.config.model import Account
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.ledger import Ledger
from sandbox_exporter.poll.state import StateFile

SAVE_EVERY = 5.0
"""Seconds between two saves at least."""

log = logging.getLogger("sandbox_exporter.poll")


class Keeper:
    """Restores ledgers from a state file, and saves them when polls changed them."""

    def __init__(self, file: StateFile, pollers: Callable[[], Iterable[AccountPoller]]) -> None:
        self._file = file
        self._pollers = pollers
        self._saved = file.load()
        self._changed = asyncio.Event()
        self._failing = False

    def restore(self, account: Account, ledger: Ledger) -> None:
        """Gives a new ledger the marks that were saved for its account."""
        ledger.persistent = True
        marks = self._saved.get(identity(account))
        if marks is not None:
            ledger.restore(marks)

    def changed(self) -> None:
        """Notes that there is something to save."""
        self._changed.set()

    async def run(self) -> None:
        """Saves what changes, now and then; runs until it is cancelled."""
        while True:
            await self._changed.wait()
            await self.save()
            await asyncio.sleep(SAVE_EVERY)

    async def save(self) -> None:
        """Writes the file; a failure is logged once, and tried again with the next change."""
        self._changed.clear()
        now = time.time()
        accounts = dict(self._saved)
        for poller in self._pollers():
            if poller.ledger.known:
                accounts[identity(poller.account)] = poller.ledger.marks(now)
        self._saved = accounts
        try:
            await asyncio.to_thread(self._file.save, accounts)
        except OSError as error:
            if not self._failing:
                log.warning("state file not saved", extra={"error": str(error)})
            self._failing = True
        else:
            self._failing = False

    async def close(self) -> None:
        """Saves for the last time and lets go of the file."""
        await self.save()
        self._file.close()


def identity(account: Account) -> str:
    """What makes an account the same one to its vendor and in its series."""
    parts = (account.provider, account.name, account.base_url)
    return " ".join((*parts, account.project_id or account.organization))
