"""When each account is polled: on a task of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext

from sandbox_exporter.billing import Phase
from sandbox_exporter.config.model import Account
from sandbox_exporter.poll.account import LONGEST_POLL, AccountPoller, Timing
from sandbox_exporter.snapshot import AccountSnapshot

_TICK = 1.0
"""Seconds between looks at the clock: a month's turn, or a clock that was set, shows this soon."""

log = logging.getLogger("sandbox_exporter.poll")


def _untraced(_account: Account) -> AbstractContextManager[None]:
    return nullcontext()


class Schedule:
    """Polls one account again and again, and publishes what each poll and the clock change.

    `place`, from 0 to below 1, is the account's share of the interval by which its polls come
    after the first account's; the first poll of each starts at once. `traced` is entered around
    each poll.
    """

    def __init__(
        self,
        poller: AccountPoller,
        publish: Callable[[AccountSnapshot], None],
        timing: Timing,
        place: float,
        traced: Callable[[Account], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._poller = poller
        self._publish = publish
        self._close = timing.close
        self._place = place
        self._traced = traced or _untraced
        self._wall = timing.wall
        self._clock = timing.clock
        self._shown: Hashable = None
        """For what moment was published last."""

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_forever())
            tasks.create_task(self._watch_clock())

    async def _poll_forever(self) -> None:
        interval = self._poller.account.poll_interval
        gap = interval * (1 - self._place)
        while True:
            started = self._clock()
            try:
                with self._traced(self._poller.account):
                    await self._poller.poll()
            except Exception:
                log.exception("poll ended by a fault", extra={"account": self._poller.account.name})
                self._poller.fail("internal error, see the log")
            self._publish_now()
            # What the request limit left over goes on a minute later, however long the interval.
            await self._wait(started + (min(gap, LONGEST_POLL) if self._poller.cut_short else gap))
            gap = interval

    async def _wait(self, due: float) -> None:
        """Until the next poll: `due`, or sooner while a month turns.

        A new phase is polled as soon as it begins, and the settling month twice at least. Each
        account comes a little later than the one before it, as in any other interval.
        """
        settle = self._close.settle
        late = self._place * min(self._poller.account.poll_interval, settle / 10)
        began = self._clock()
        turned: float | None = None
        while (clock := self._clock()) < due:
            now = self._wall()
            if self._close.phase(now) is Phase.SETTLE and clock - began >= settle / 2:
                return
            if self._turned(now):
                turned = turned or clock
                if clock - turned >= late:
                    return
            await asyncio.sleep(min(_TICK, due - clock))

    def _turned(self, now: float) -> bool:
        """Whether the last poll asked for what a poll at `now` would no longer ask for."""
        last, window = self._poller.window, self._close.window(now)
        if last is None or last.month != window.month:
            return last is not None
        return window.end == window.month.end != last.end

    async def _watch_clock(self) -> None:
        """Publishes anew when the clock alone changes what is to be shown."""
        while True:
            await asyncio.sleep(_TICK)
            if self._poller.tried and self._poller.moment() != self._shown:
                self._publish_now()

    def _publish_now(self) -> None:
        self._shown = self._poller.moment()
        self._publish(self._poller.snapshot())
