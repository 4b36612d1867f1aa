"""How many template calls a poll may make beside the account's own."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_MINUTE = 60.0


class Pace(NamedTuple):
    """So many template calls a poll, when polls are so many seconds apart."""

    calls: int
    seconds: float


class Budget:
    """Divides an account's request limit between its own endpoints and its templates."""

    def __init__(self, per_minute: int, interval: float, *, own_calls: int) -> None:
        """`interval` is the seconds between polls, `own_calls` what each asks besides templates."""
        self._limit = per_minute
        self._interval = interval
        self._own_calls = own_calls
        self._polls: deque[float] = deque()

    @property
    def pace(self) -> Pace:
        """How many template calls each poll can make, poll after poll."""
        own = self._own_calls * (1 + _MINUTE / self._interval)
        calls = max(1, int((self._limit - own) * self._interval / _MINUTE))
        return Pace(calls, self._interval)

    @property
    def reserve(self) -> int:
        """Requests that templates must leave for the polls of the next minute.

        Those that the last minute's polls made come back in time; a poll more than that is kept,
        for the turn of a month polls out of turn. A small limit is shared half and half.
        """
        polls = 1 + _MINUTE / self._interval - len(self._polls)
        most = (self._limit - self._own_calls) // 2
        return max(0, min(int(self._own_calls * polls), most))

    def polled(self, clock: float) -> None:
        """Notes a poll's own calls (monotonic seconds)."""
        self._polls.append(clock)
        while self._polls[0] <= clock - _MINUTE:
            self._polls.popleft()
