"""Publishing: each change of the snapshot is rendered once, and swapped in whole."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sandbox_exporter.exposition.page import Body, Page
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.exposition.text import render
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot

_REFRESH = 60.0
"""Seconds after which the exporter's own metrics are rendered anew though no poll published."""
_LEVEL = 1
"""Compression level: the lines are so alike that higher ones cost much and save little."""
_GZIP = 16 + zlib.MAX_WBITS


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
        self.page = _Assembly().finish(metrics, 0, {})

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot, which the page follows within moments."""
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
        self._changed.set()

    def publish(self, account: AccountSnapshot) -> None:
        """Takes an account's state as it is now; accounts that are not configured are left out."""
        if account.account in self._accounts:
            self._accounts[account.account] = account
            self._taken[account.account] = self._clock()
            self._changed.set()

    async def run(self) -> None:
        """Renders whenever something was published; runs until it is cancelled."""
        while True:
            with suppress(TimeoutError):  # nothing published: refresh the exporter's own metrics
                async with asyncio.timeout(_REFRESH):
                    await self._changed.wait()
            await self.render()

    async def render(self) -> None:
        """Renders the snapshot as it is now and swaps the page."""
        self._changed.clear()
        began, taken = self._clock(), self.taken
        assembly = _Assembly()
        for chunk in render(self.snapshot):
            assembly.add(chunk.text, chunk.openmetrics, chunk.samples)
            await asyncio.sleep(0)
        self._metrics.published_samples.set(assembly.samples)
        self._metrics.publish_duration.set(self._clock() - began)
        self.page = assembly.finish(self._metrics, self.page.number + 1, taken)


class _Assembly:
    """Both bodies while they are put together, compressed step by step."""

    def __init__(self) -> None:
        self.samples = 0
        self._plain: tuple[list[bytes], list[bytes]] = ([], [])
        self._gzip: tuple[list[bytes], list[bytes]] = ([], [])
        self._compressors = tuple(zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) for _ in range(2))

    def add(self, text: str, openmetrics: str, samples: int) -> None:
        self.samples += samples
        plain = text.encode()
        # Most text is the same in both formats: it is kept once.
        self.add_bytes(plain, plain if openmetrics is text else openmetrics.encode())

    def add_bytes(self, *parts: bytes) -> None:
        for plain, packed, compressor, part in zip(
            self._plain, self._gzip, self._compressors, parts, strict=True
        ):
            plain.append(part)
            packed.append(compressor.compress(part))

    def finish(self, metrics: SelfMetrics, number: int, taken: Mapping[str, float]) -> Page:
        """The page, with the exporter's own metrics at its end."""
        self.add_bytes(*metrics.render())
        text, openmetrics = (
            Body(tuple(plain), b"".join(packed) + compressor.flush())
            for plain, packed, compressor in zip(
                self._plain, self._gzip, self._compressors, strict=True
            )
        )
        return Page(text, openmetrics, number, taken)
