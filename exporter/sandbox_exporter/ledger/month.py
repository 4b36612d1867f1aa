"""Billing months (UTC), and what the counters show when one ends. A leaf.

Everything here is a pure function of the wall clock, so that a restart at any second, or a second
replica, shows the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

LONGEST_CLOSE = 86400.0
"""Seconds after a month's end for which its final total, and the vendor's reset, are waited for."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def at(cls, now: float) -> Month:
        """The month that holds `now` (Unix seconds)."""
        moment = datetime.fromtimestamp(now, UTC)
        return cls(moment.year, moment.month)

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month written as YYYY-MM; raises `ValueError`."""
        moment = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return cls(moment.year, moment.month)

    @property
    def start(self) -> int:
        """Its first second, as Unix seconds."""
        return int(datetime(self.year, self.number, 1, tzinfo=UTC).timestamp())

    @property
    def end(self) -> int:
        """The first second after it, as Unix seconds."""
        return self.next().start

    def next(self) -> Month:
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    def previous(self) -> Month:
        """The month before it."""
        return Month(self.year - (self.number == 1), (self.number - 2) % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds [start, end) of one billing month, for which all calls of a poll ask."""

    month: Month
    start: int
    end: int

    @classmethod
    def whole(cls, month: Month) -> Window:
        """All of a month."""
        return cls(month, month.start, month.end)


class Phase(StrEnum):
    """What the counters show at a moment."""

    LIVE = "live"
    """The running month so far."""
    SETTLE = "settle"
    """Just after a month's end: the closed month's final total."""
    ZERO = "zero"
    """After that: 0, so that every scraper sees the counter start again."""


@dataclass(frozen=True, slots=True)
class MonthClose:
    """How long each phase of a month's end lasts, in seconds."""

    settle: float = 300.0
    zero: float = 120.0

    def phase(self, now: float) -> Phase:
        """The phase at `now` (Unix seconds)."""
        since = now - Month.at(now).start
        if since < self.settle:
            return Phase.SETTLE
        if since < self.settle + self.zero:
            return Phase.ZERO
        return Phase.LIVE

    def window(self, now: float) -> Window:
        """What a poll at `now` asks for: the month so far, or the closed month whole."""
        month = Month.at(now)
        if self.phase(now) is Phase.SETTLE:
            return Window.whole(month.previous())
        return Window(month, month.start, max(int(now), month.start + 1))
