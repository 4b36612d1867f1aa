"""Everything that one template ever did and will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from sandbox_exporter.simulator.sessions import (
    LOOKBACK_DAYS,
    MS_PER_DAY,
    Day,
    make_day,
    sessions_begun,
)
from sandbox_exporter.simulator.steps import Change, Span
from sandbox_exporter.simulator.templates import Template
from sandbox_exporter.simulator.usage import Usage

OPENED_MS = 1_735_689_600_000
"""2025-01-01 UTC: no simulated account has usage from before."""
NEVER_MS = 253_402_300_800_000
"""The year 10000."""

_RECENT_DAYS = 8


@dataclass(frozen=True, slots=True)
class Burst:
    """More sandboxes of a template, running from one moment to another (Unix ms)."""

    start: int
    end: int
    sandboxes: int


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One template's sessions, with the changes that a test made to them.

    Compared by identity, which keeps the cache of days quick.
    """

    key: str
    """Seed and account."""
    template: Template
    opened: int = OPENED_MS
    absences: tuple[tuple[int, int], ...] = ()
    """When the template was not there: no listing, and no session begins (Unix ms)."""
    bursts: tuple[Burst, ...] = ()

    @property
    def busy(self) -> bool:
        """Whether it ever has a sandbox."""
        return self.template.sessions_per_day > 0 or bool(self.bursts)

    def present(self, at: int) -> bool:
        """Whether the template is there at a moment (Unix ms)."""
        return not any(start <= at < end for start, end in self.absences)

    def appear(self, at: int) -> History:
        """The same, but the template is there from `at` on (Unix ms)."""
        absences = ((start, min(end, at)) for start, end in self.absences)
        return replace(self, absences=tuple(pair for pair in absences if pair[0] < pair[1]))

    def vanish(self, at: int) -> History:
        """The same, but the template is gone from `at` on (Unix ms)."""
        return replace(self.appear(at), absences=(*self.appear(at).absences, (at, NEVER_MS)))

    def usage(self, start: int, end: int) -> Usage:
        """Exact usage of [start, end), in Unix ms."""
        runtime = transfer = storage = 0
        for day in self._days(start, end):
            low, high = start - day.origin, end - day.origin
            runtime += day.runs.between(low, high)
            transfer += day.transfer.between(low, high)
            storage += day.pauses.between(low, high)
        template = self.template
        return Usage(
            runtime, runtime * template.vcpus, runtime * template.memory_mib, transfer, storage
        )

    def running(self, at: int) -> int:
        """Running sandboxes at a moment."""
        return sum(day.runs.level(at - day.origin) for day in self._days(at, at))

    def paused_mib(self, at: int) -> int:
        """Storage of paused sandboxes at a moment, in MiB."""
        return sum(day.pauses.level(at - day.origin) for day in self._days(at, at))

    def sessions(self, until: int) -> int:
        """Sessions begun up to a moment, ever."""
        if not self.busy or until < self.opened:
            return 0
        today = until // MS_PER_DAY
        begun = _sessions_before(self, today) + self._begun(today, until)
        return begun + sum(burst.sandboxes for burst in self.bursts if burst.start <= until)

    def last_session(self, until: int) -> int | None:
        """When the last session up to a moment began (Unix ms); None if none did lately."""
        for number in range(until // MS_PER_DAY, until // MS_PER_DAY - _RECENT_DAYS, -1):
            if self.busy and number * MS_PER_DAY >= self.opened:
                day = self._day(number)
                begun = [at for at, _ in day.begun.changes(day.origin, 1) if at <= until]
                if begun:
                    return begun[-1]
        return None

    def running_changes(self, start: int, end: int, factor: int) -> Iterator[Change]:
        """What the level of running sandboxes is made of, around a window, times a factor."""
        for day in self._days(start, end):
            yield from day.runs.changes(day.origin, factor)

    def transfer_changes(self, start: int, end: int) -> Iterator[Change]:
        """What the level of bytes a second is made of, around a window."""
        for day in self._days(start, end):
            yield from day.transfer.changes(day.origin, 1)

    def storage_changes(self, start: int, end: int) -> Iterator[Change]:
        """What the level of paused MiB is made of, around a window."""
        for day in self._days(start, end):
            yield from day.pauses.changes(day.origin, 1)

    def _days(self, start: int, end: int) -> Iterable[Day]:
        """Everything that may touch the window."""
        if not self.busy:
            return ()
        first = max(start // MS_PER_DAY - LOOKBACK_DAYS, self.opened // MS_PER_DAY)
        days = [self._day(number) for number in range(first, end // MS_PER_DAY + 1)]
        return days + [_burst_day(burst, self.template) for burst in self.bursts]

    def _day(self, number: int) -> Day:
        return _cached_day(self, number)

    def _begun(self, number: int, until: int) -> int:
        day = self._day(number)
        return day.begun.level(until - day.origin)

    def begun_on(self, number: int) -> int:
        """Sessions begun on a whole day, which is not made where counting will do."""
        start, end = number * MS_PER_DAY, (number + 1) * MS_PER_DAY
        touching = [pair for pair in self.absences if pair[0] < end and start < pair[1]]
        if not touching:
            return sessions_begun(self.key, self.template, number)
        if any(absent <= start and end <= back for absent, back in touching):
            return 0
        return self._begun(number, end)


def total(histories: Iterable[History], start: int, end: int) -> Usage:
    """The usage of several templates together."""
    return sum((history.usage(start, end) for history in histories), Usage())


@lru_cache(maxsize=2100)
def _cached_day(history: History, number: int) -> Day:
    return make_day(history.key, history.template, number, history.present)


@lru_cache(maxsize=1000)
def _sessions_before(history: History, number: int) -> int:
    return sum(map(history.begun_on, range(history.opened // MS_PER_DAY, number)))


def _burst_day(burst: Burst, template: Template) -> Day:
    length = burst.end - burst.start
    return Day(
        burst.start,
        runs=[Span(0, length, burst.sandboxes)],
        transfer=[Span(0, length, burst.sandboxes * template.transfer_rate)],
        pauses=[],
    )
