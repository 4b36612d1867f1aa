"""When each account is polled: on a task of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractContextManager, nullcontext, suppress

from sandbox_exporter.billing import Phase
from sandbox_exporter.config.model import Account
from sandbox_exporter.poll.account import LONGEST_POLL, AccountPoller, Timing
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.supervisor import INTERNAL_ERROR, heed_cancellation

_GRACE = 5.0
"""Seconds after which a poll or a wait that should have ended is ended."""
_TICK = 1.0
"""Seconds between looks at the clock: a month's turn, or a clock that was set, shows this soon."""


def _untraced(_account: Account) -> AbstractContextManager[None]:
    return nullcontext()


class Schedule:
    """Polls one account again and again, and publishes what each poll and the clock change.

    `place`, from 0 to below 1, is the account's share of the interval by which its polls come
    after the first account's. The first poll starts after `delay` seconds. `traced` is entered
    around each poll.
    """

    def __init__(
        self,
        poller: AccountPoller,
        publish: Callable[[AccountSnapshot], None],
        timing: Timing,
        place: float,
        traced: Callable[[Account], AbstractContextManager[None]] | None = None,
        delay: float = 0.0,
    ) -> None:
        self._poller = poller
        self._publish = publish
        self._close = timing.close
        self._place = place
        self._delay = delay
        self._traced = traced or _untraced
        self._wall = timing.wall
        self._clock = timing.clock
        self._shown: Hashable = None
        """For what moment was published last."""
        self._bound: asyncio.Timeout | None = None
        """What ends the part of the poll loop that runs now, when it is overdue."""
        self._overdue = 0.0

    async def run(self) -> None:
        """Runs until it is cancelled."""
        faults = self._poller.faults
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(faults.supervise("polls", self._poll_forever))
            tasks.create_task(faults.supervise("clock", self._watch_clock))

    async def _poll_forever(self) -> None:
        interval = self._poller.account.poll_interval
        gap = interval * (1 - self._place)
        with suppress(TimeoutError):
            await self._bounded(self._delay + _GRACE, asyncio.sleep(self._delay))
        self._delay = 0.0  # once, also when the loop is started again after a fault
        while True:
            started = self._clock()
            try:
                await self._bounded(min(interval, LONGEST_POLL) + _GRACE, self._poll())
                self._poller.faults.over("poll")
            except Exception as fault:  # noqa: BLE001 - it is noted
                heed_cancellation()
                self._poller.faults.note("poll", fault)
                self._poller.fail(INTERNAL_ERROR)
            self._publish_now()
            # What the request limit left over goes on a minute later, however long the interval.
            wait = min(gap, LONGEST_POLL) if self._poller.cut_short else gap
            with suppress(TimeoutError):  # the wait's timer did not fire: it is high time
                await self._bounded(wait + _GRACE, self._wait(started + wait))
            gap = interval

    async def _poll(self) -> None:
        with self._traced(self._poller.account):
            await self._poller.poll(self._publish_now)

    async def _bounded(self, seconds: float, work: Coroutine[None, None, None]) -> None:
        """Runs a part of the loop; raises `TimeoutError` after `seconds`.

        Should the timer for that not fire, the look at the clock each second ends it.
        """
        try:
            async with asyncio.timeout(seconds) as self._bound:
                self._overdue = self._clock() + seconds + _TICK
                await work
        finally:
            self._bound = None

    async def _wait(self, due: float) -> None:
        """Until the next poll: `due`, or sooner while a month turns.

        A new phase is polled as soon as it begins, and the settling month twice at least. Each
        account comes a little later than the one before it, as in any other interval.
        """
        settle = self._close.settle
        late = self._place * min(self._poller.account.poll_interval, settle / 10)
        began = self._clock()
        turned: float | None = None
        while began <= (clock := self._clock()) < due:  # nor is a clock that went back waited for
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
        """Publishes anew when the clock alone changes what is to be shown.

        A look whose timer does not fire comes a little later, by a second timer.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await asyncio.sleep(_TICK)
            if self._bound is not None and self._clock() > self._overdue:
                self._bound.reschedule(asyncio.get_running_loop().time())
                self._bound = None
            if self._poller.tried and self._poller.moment() != self._shown:
                self._publish_now()

    def _publish_now(self) -> None:
        self._shown = self._poller.moment()
        self._publish(self._poller.snapshot())
