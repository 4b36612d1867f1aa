"""When each account is polled: on a task of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sandbox_exporter.billing import Phase
from sandbox_exporter.poll.account import AccountPoller, Timing
from sandbox_exporter.snapshot import AccountSnapshot

_TICK = 1.0
"""Seconds between looks at the clock: a month's turn, or a clock that was set, shows this soon."""

log = logging.getLogger("sandbox_exporter.poll")


class Schedule:
    """Polls one account again and again, and publishes what each poll and the clock change.

    `place`, from 0 to below 1, is the account's share of the interval by which its polls come
    after the first account's; the first poll of each starts at once.
    """

    def __init__(
        self,
        poller: AccountPoller,
        publish: Callable[[AccountSnapshot], None],
        timing: Timing,
        place: float,
    ) -> None:
        self._poller = poller
        self._publish = publish
        self._close = timing.close
        self._place = place
        self._wall = timing.wall
        self._clock = timing.clock

    async def run(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_forever())
            tasks.create_task(self._watch_clock())

    async def _poll_forever(self) -> None:
        interval = self._poller.account.poll_interval
        gap = interval * (1 - self._place)
        while True:
            due = self._clock() + gap
            try:
                await self._poller.poll()
            except Exception:
                log.exception("poll ended by a fault", extra={"account": self._poller.account.name})
                self._poller.fail("internal error, see the log")
            self._publish(self._poller.snapshot())
            gap = interval
            await self._wait(due)

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
        shown = self._poller.moment()
        while True:
            await asyncio.sleep(_TICK)
            moment = self._poller.moment()
            if moment != shown:
                shown = moment
                self._publish(self._poller.snapshot())
