"""When each account is polled: on a task of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress

from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.ledger.month import Phase
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import LONGEST_POLL, Timing
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.supervisor import INTERNAL_ERROR, heed_cancellation

_GRACE = 5.0
"""Seconds after which a poll or a wait that should have ended is ended."""
_TICK = 1.0
"""Seconds between looks at the clock: a month's turn, or a clock that was set, shows this soon."""
_STAGGER = 0.01
"""Seconds between the starts of two polls, at least."""
_LOOKS = 50
"""Accounts that are looked at in one go, so that scrapes are served in between."""


def _untraced(_account: Account) -> AbstractContextManager[None]:
    return nullcontext()


class Line:
    """Lets polls begin one after the other, as fast as the event loop can follow.

    A thousand at once would slow each other down until their deadlines. Each begins a moment after
    the one before, and no sooner than in the event loop's next round, which takes the longer the
    more there is to do. So where there is too little CPU polls come late, and do not fail.
    """

    def __init__(self) -> None:
        self._first = asyncio.Lock()
        self._free = 0.0
        """When the next may begin, on the event loop's clock."""

    async def wait(self) -> None:
        """Until it is the caller's turn, in the order of the calls."""
        clock = asyncio.get_running_loop().time
        async with self._first:
            if (wait := self._free - clock()) > 0:
                with suppress(TimeoutError):  # a timer that does not fire holds up nobody else
                    async with asyncio.timeout(_GRACE):
                        await asyncio.sleep(wait)
            self._free = clock() + _STAGGER


async def watch_clock(schedules: Callable[[], Iterable[Schedule]]) -> None:
    """Has all schedules look at the clock each second, until it is cancelled.

    A look whose timer does not fire comes a little later, by a second timer.
    """
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await asyncio.sleep(_TICK)
        for place, schedule in enumerate(tuple(schedules()), start=1):
            schedule.look()
            if place % _LOOKS == 0:
                await asyncio.sleep(0)


class Schedule:
    """Polls one account again and again, and publishes what each poll and the clock change.

    `place`, from 0 to below 1, is the account's share of the interval by which its polls come
    after the first account's. Each waits in the `line` first. `traced` is entered around each
    poll. Somebody has to call `look` each second.
    """

    def __init__(
        self,
        poller: AccountPoller,
        publish: Callable[[AccountSnapshot], None],
        timing: Timing,
        place: float,
        traced: Callable[[Account], AbstractContextManager[None]] | None = None,
        line: Line | None = None,
    ) -> None:
        self._poller = poller
        self._publish = publish
        self._close = timing.close
        self._place = place
        self._line = line or Line()
        self._traced = traced or _untraced
        self._wall = timing.wall
        self._clock = timing.clock
        self._shown: Hashable = None
        """For what moment was published last."""
        self._bound: asyncio.Timeout | None = None
        """What ends the part of a poll that runs now, when it is overdue."""
        self._overdue = 0.0
        self._waiting: _Waiting | None = None

    async def run(self) -> None:
        """Runs until it is cancelled."""
        await self._poller.faults.supervise("polls", self._poll_forever)

    async def _poll_forever(self) -> None:
        interval = self._poller.account.poll_interval
        gap = interval * (1 - self._place)
        while True:
            await self._line.wait()
            started = self._clock()
            try:
                await self._bounded(min(interval, LONGEST_POLL) + _GRACE, self._poll())
                self._poller.faults.over("poll")
            except Exception as fault:  # noqa: BLE001 - it is noted
                heed_cancellation()
                self._poller.faults.note("poll", fault)
                self._poller.fail(INTERNAL_ERROR)
            self._publish_now()
            # The pool lets go of idle ones after 5 s anyway; until then they only take memory.
            with suppress(UpstreamError):  # a fault, which is logged
                await self._poller.faults.contain("connections", self._disconnect())
            # What the request limit left over goes on a minute later, however long the interval.
            wait = min(gap, LONGEST_POLL) if self._poller.cut_short else gap
            await self._wait(started + wait)
            gap = interval

    async def _poll(self) -> None:
        with self._traced(self._poller.account):
            await self._poller.poll(self._publish_now)

    async def _disconnect(self) -> None:
        await self._bounded(_GRACE, self._poller.client.aclose())

    async def _bounded(self, seconds: float, work: Coroutine[None, None, None]) -> None:
        """Runs a poll, or what ends it; raises `TimeoutError` after `seconds`.

        Should the timer for that not fire, the look at the clock each second ends it.
        """
        try:
            async with asyncio.timeout(seconds) as self._bound:
                self._overdue = self._clock() + seconds + _TICK
                await work
        finally:
            self._bound = None

    async def _wait(self, due: float) -> None:
        """Until the next poll: `due`, or sooner when a look at the clock says so."""
        self._waiting = waiting = _Waiting(self._clock(), due)
        with suppress(TimeoutError):
            async with asyncio.timeout(due - waiting.began):
                await waiting.over.wait()
        self._waiting = None

    def look(self) -> None:
        """Looks at the clock: ends what is overdue, and does what the clock alone brings about."""
        try:
            self._look()
            self._poller.faults.over("clock")
        except Exception as fault:  # noqa: BLE001 - it is noted, and concerns no other account
            self._poller.faults.note("clock", fault)

    def _look(self) -> None:
        clock, now = self._clock(), self._wall()
        if self._bound is not None and clock > self._overdue:
            self._bound.reschedule(asyncio.get_running_loop().time())
            self._bound = None
        if self._waiting is not None and self._is_over(self._waiting, clock, now):
            self._waiting.over.set()
        if self._poller.tried and self._poller.moment() != self._shown:
            self._publish_now()

    def _is_over(self, waiting: _Waiting, clock: float, now: float) -> bool:
        """Whether it is time for the next poll.

        A month's new phase is polled as soon as it begins, and the settling month twice at least.
        Each account comes a little later than the one before it, as in any other interval.
        """
        if not waiting.began <= clock < waiting.due:  # nor is a clock that went back waited for
            return True
        settle = self._close.settle
        if self._close.phase(now) is Phase.SETTLE and clock - waiting.began >= settle / 2:
            return True
        if not self._turned(now):
            return False
        if waiting.turned is None:
            waiting.turned = clock
        late = self._place * min(self._poller.account.poll_interval, settle / 10)
        return clock - waiting.turned >= late

    def _turned(self, now: float) -> bool:
        """Whether the last poll asked for what a poll at `now` would no longer ask for."""
        last, window = self._poller.window, self._close.window(now)
        if last is None or last.month != window.month:
            return last is not None
        return window.end == window.month.end != last.end

    def _publish_now(self) -> None:
        self._shown = self._poller.moment()
        self._publish(self._poller.snapshot())


class _Waiting:
    """The time between two polls. Times are monotonic seconds."""

    __slots__ = ("began", "due", "over", "turned")

    def __init__(self, began: float, due: float) -> None:
        self.began = began
        self.due = due
        self.over = asyncio.Event()
        self.turned: float | None = None
        """When the month was first seen to have turned."""
