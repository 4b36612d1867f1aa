"""One scope of the ledger, an account or a template: its months, and which of them it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from sandbox_exporter.ledger.month import LONGEST_CLOSE, Month, MonthClose, Phase
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.snapshot import Usage

LIFETIME = "lifetime"
"""The period of totals that never start again."""
SHOWN = "shown"
"""The period that holds no totals, but when those of a closed month were first shown (Unix s)."""
Marks = Mapping[str, Mapping[str, Mapping[Field, float]]]
"""Period (a month as YYYY-MM, `lifetime` or `shown`) to scope to a number for each field."""

NOISE = 1e-9
"""Relative difference below which a lower total is float noise, not a correction."""


class Moment(NamedTuple):
    """A moment (Unix seconds), and what the clock alone says of it."""

    now: float
    phase: Phase
    month: Month
    closed: Month
    """The month before."""
    turning: bool
    """Whether a month that was not closed in time may still be shown."""


@lru_cache(maxsize=1)
def moment(close: MonthClose, now: float) -> Moment:
    """The moment `now`; kept, as all scopes of a snapshot are shown at one moment."""
    month = Month.at(now)
    turning = now - month.start < LONGEST_CLOSE + 2 * (close.settle + close.zero)
    return Moment(now, close.phase(now), month, month.previous(), turning)


class Late(NamedTuple):
    """What a scope shows whose closed month was not shown in time, and until when."""

    phase: Phase
    until: float
    known_from: float = math.inf
    """From when on a restart may take the zeros for seen."""


class Epoch:
    """One scope's month: the vendor's totals as last reported, and the highest ever reported."""

    __slots__ = ("asked_until", "live", "marks", "month", "shown_at", "totals", "zero_at")

    def __init__(self, month: Month, totals: Readings, marks: Readings) -> None:
        self.month = month
        self.live = False
        """Whether it was shown after its zeros."""
        self.asked_until = 0
        """End of the last window asked for; 0 before the first answer of this process."""
        self.totals = totals
        self.marks = marks
        self.shown_at: float | None = None
        """When the final total was first shown (Unix seconds)."""
        self.zero_at: float | None = None
        """When the zeros after a late final total were first shown (Unix seconds)."""

    @property
    def final(self) -> bool:
        """Whether the whole month was asked for."""
        return self.asked_until >= self.month.end

    def record(self, totals: Readings, asked_until: int) -> bool:
        """Takes newer totals; True when one fell though no less time was asked for."""
        fell = asked_until >= self.asked_until and any(
            value < self.totals.get(field, 0.0) * (1 - NOISE) for field, value in totals.items()
        )
        self.asked_until = asked_until
        marks = {**self.marks, **totals}
        for field, mark in self.marks.items():
            marks[field] = max(mark, marks[field])
        self.totals = totals
        self.marks = totals if marks == totals else marks  # one dict for most: there are thousands
        return fell


class Scope:
    """An account or a template: up to two months, its levels, and its lifetime marks."""

    __slots__ = ("closed", "current", "held", "levels", "lifetime", "made_for", "shown")

    def __init__(self) -> None:
        self.closed: Epoch | None = None
        self.current: Epoch | None = None
        self.levels: Readings = {}
        self.lifetime: Readings = {}
        self.held: dict[Field, float] | None = None
        """When each counter was born that still shows 0 (monotonic seconds); None for most."""
        self.shown = Usage()
        self.made_for: tuple[Phase, Month] | None = None
        """For what `shown` was made; None when it is out of date."""

    def epoch(self, month: Month) -> Epoch | None:
        """What is known of `month`."""
        for epoch in (self.current, self.closed):
            if epoch is not None and epoch.month == month:
                return epoch
        return None

    def open(self, month: Month) -> Epoch:
        """The epoch of `month`, made if need be; a new month moves the old one aside."""
        epoch = self.epoch(month)
        if epoch is None:
            epoch = Epoch(month, {}, {})
            if self.current is None or self.current.month < month:
                self.closed, self.current = self.current, epoch
            else:  # the clock was set back
                self.closed = epoch
        return epoch

    def late(self, at: Moment, close: MonthClose) -> Late | None:
        """What is shown instead of what the clock says; None when the clock is right.

        The closed month's final total is waited for, shown for `settle`, and followed by zeros for
        `zero`, each from when it was first shown. A final total that was shown in the first half
        of the clock's `settle` was in time.
        """
        if not at.turning or at.phase is Phase.SETTLE:
            return None
        current = self.epoch(at.month)
        if current is not None and current.live:
            return None
        closed = self.epoch(at.closed)
        if closed is None or not closed.marks:
            return None
        longest = at.month.start + LONGEST_CLOSE
        if closed.shown_at is None:
            until = longest
        elif closed.shown_at <= at.month.start + close.settle / 2:
            return None
        else:
            until = min(closed.shown_at, longest) + close.settle
        if at.now < until:
            return Late(Phase.SETTLE, until)
        zero_until = (at.now if closed.zero_at is None else closed.zero_at) + close.zero
        late = Late(Phase.ZERO, zero_until, zero_until - close.zero / 2)
        return late if at.now < zero_until else None

    def show_late(self, at: Moment, close: MonthClose) -> Late | None:
        """Like `late`, and remembers what is shown now for the first time."""
        closed = self.epoch(at.closed)
        if closed is not None and closed.final and closed.shown_at is None:
            closed.shown_at = at.now
        late = self.late(at, close)
        zeros_begin = late is not None and late.phase is Phase.ZERO
        if closed is not None and zeros_begin and closed.zero_at is None:
            closed.zero_at = at.now
        return late

    def entries(
        self, at: Moment, late: Late | None, served: float
    ) -> Iterator[tuple[str, Readings]]:
        """The marks that a restart needs, by period.

        A counter that still shows the 0 of its birth is left out, and born again, unless scrapes
        have seen that 0: they got what was taken at `served` (monotonic seconds). Left out too is
        that of a month that was turned to late, until the second half of its zeros.
        """
        phase = late.phase if late else at.phase
        oldest = at.closed if phase is Phase.SETTLE else at.month
        for epoch in (self.closed, self.current):
            if epoch is None or epoch.month < oldest:
                continue
            if late and epoch.month == at.month and at.now < late.known_from:
                continue
            marks = epoch.marks
            if self.held:
                held = self.held
                marks = {f: 0.0 if f in held else mark for f, mark in marks.items()}
                marks = {f: mark for f, mark in marks.items() if held.get(f, served) <= served}
            if marks:
                yield str(epoch.month), marks
            if marks and epoch.month == at.closed and epoch.shown_at is not None:
                yield SHOWN, dict.fromkeys(marks, epoch.shown_at)
        if self.lifetime:
            yield LIFETIME, self.lifetime

    def usage(self, phase: Phase, month: Month) -> Usage:
        """The published numbers in one phase of one month."""
        epoch = self.epoch(month.previous() if phase is Phase.SETTLE else month)
        if phase is Phase.ZERO and epoch is None:
            closed = self.epoch(month.previous())
            if closed is not None:
                epoch = self.open(month)
                epoch.totals = epoch.marks = dict.fromkeys(closed.totals, 0.0)
        counters = {f: self.lifetime[f] for f in self.levels if f in self.lifetime}
        if epoch is None:
            return Usage(counters, self.levels)
        epoch.live |= phase is Phase.LIVE
        # A clock that was set back does not bring the zeros back: the counter would fall.
        held = epoch.totals if phase is Phase.ZERO and not epoch.live else (self.held or {})
        counters |= {f: 0.0 if f in held else epoch.marks[f] for f in epoch.totals}
        return Usage(counters, {**self.levels, **epoch.totals})
