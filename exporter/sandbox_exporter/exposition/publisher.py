"""Publishing: what changed is rendered, and the page is swapped in whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sandbox_exporter.exposition.page import Page
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.exposition.sheet import Sheet
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot

OLDEST = 1.0
"""Seconds after which all that was published or counted is on the page at the latest."""
_REST = 0.2
"""Seconds between two renderings at least, so that what is published together is rendered so."""
_SHARE = 40
"""Rendering takes one part in so many of the time, unless the page would become too old."""


class Publisher:
    """Holds the newest snapshot and the page that scrapes are served.

    Rendering runs on the event loop in short steps and gives way between them, so that a scrape
    waits for one step at most. Polls that publish meanwhile are rendered together afterwards.
    """

    def __init__(self, metrics: SelfMetrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._accounts: dict[str, AccountSnapshot] = {}
        self._taken: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._served: tuple[int, Mapping[str, float]] = (0, {})
        self._sheet = Sheet(metrics, ())
        self.page = Page(*self._sheet.bodies())

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot, which the page follows within a second."""
        return Snapshot(tuple(self._accounts.values()))

    @property
    def taken(self) -> Mapping[str, float]:
        """When each account's part of the newest snapshot was taken, in monotonic seconds."""
        return dict(self._taken)

    def served(self, account: str) -> float:
        """When what scrapes have seen of an account was taken; minus infinity before the first."""
        return self._served[1].get(account, float("-inf"))

    def scraped(self, page: Page) -> None:
        """Notes that a scrape got the whole of `page`, which may no longer be the newest."""
        if page.number > self._served[0]:
            self._served = page.number, page.taken

    def restart(self, accounts: Iterable[AccountSnapshot]) -> None:
        """Takes the accounts of a new configuration in place of those before."""
        before, now = self._accounts, self._clock()
        self._accounts = {account.account: account for account in accounts}
        self._taken = {
            name: self._taken[name] if before.get(name) is account else now
            for name, account in self._accounts.items()
        }
        self._sheet = Sheet(self._metrics, tuple(self._accounts))
        self._changed.set()

    def publish(self, account: AccountSnapshot, taken: float | None = None) -> None:
        """Takes an account's state as it is now, or was at the monotonic time `taken`.

        Accounts that are not configured are left out.
        """
        if account.account in self._accounts:
            self._accounts[account.account] = account
            self._taken[account.account] = self._clock() if taken is None else taken
            self._sheet.published(account.account)
            self._changed.set()

    async def run(self) -> None:
        """Renders what is published, and each second what was counted, until it is cancelled."""
        while True:
            began = self._clock()
            await self.render()
            took = self._clock() - began
            await asyncio.sleep(max(_REST, min((_SHARE - 1) * took, OLDEST - 2 * took)))
            with suppress(TimeoutError):
                async with asyncio.timeout(began + OLDEST - self._clock()):
                    await self._changed.wait()

    async def render(self) -> None:
        """Renders what changed up to now and swaps the page."""
        self._changed.clear()
        began, sheet, taken = self._clock(), self._sheet, self.taken
        tried = frozenset(a.account for a in self._accounts.values() if a.tried)
        if await sheet.render(dict(self._accounts)):
            self._metrics.published_samples.set(sheet.samples)
            self._metrics.publish_duration.set(self._clock() - began)
        self.page = Page(*sheet.bodies(), self.page.number + 1, taken, tried)
