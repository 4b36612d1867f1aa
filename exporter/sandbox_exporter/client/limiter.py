"""The account's own limit of calls per minute."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

PERIOD = 61.0
"""Seconds after which a token that was taken comes back.

One more than a minute, as calls arrive later than their tokens are taken, and not all alike: the
first ones wait for connections. The vendor must not see them closer together than they were.
"""


class Limiter:
    """A bucket of `per_minute` tokens, each of which comes back a minute after it was taken.

    So no 60 seconds ever see more than `per_minute` calls; a bucket that refills evenly would let
    twice as many through in its first minute. Callers are served in the order in which they asked.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        # Times at which tokens were taken or, for callers that still wait, will be; ascending.
        self._taken: deque[float] = deque()

    def wait(self, keep: int) -> float:
        """Seconds until more than `keep` tokens can be taken; 0 when they can be now."""
        now = self._clock()
        self._give_back(now)
        over = len(self._taken) - (self._per_minute - keep)
        return max(0.0, self._taken[over] + PERIOD - now) if over >= 0 else 0.0

    async def take(self, deadline: float = math.inf) -> bool:
        """Take a token, waiting for it when none is free.

        `deadline` is a time of the limiter's clock. Returns False, at once and without taking
        anything, when no token comes back by then.
        """
        now = self._clock()
        at = self._next(now)
        if at > deadline:
            return False
        self._taken.append(at)
        if at > now:
            try:
                await asyncio.sleep(at - now)
            except asyncio.CancelledError:
                # It may have come back already, when the sleep took far too long.
                with suppress(ValueError):
                    self._taken.remove(at)
                raise
        return True

    def _give_back(self, now: float) -> None:
        while self._taken and self._taken[0] + PERIOD <= now:
            self._taken.popleft()

    def _next(self, now: float) -> float:
        """The time at which a token asked for now can be taken, after those who wait already."""
        self._give_back(now)
        if not self._taken:
            return now
        at = max(now, self._taken[-1])
        if len(self._taken) >= self._per_minute:
            at = max(at, self._taken[-self._per_minute] + PERIOD)
        return at
