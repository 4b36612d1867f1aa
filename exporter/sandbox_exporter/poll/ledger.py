"""The ledger behind the counters: what a month's totals were, and what the counters show of them.

Promises kept here: a counter is the usage of the billing month, never falls within it, shows 0
before a new month's first value, and a series that first appears while the exporter runs is born
at 0. Which month and phase it is comes from the clock alone (`billing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import lru_cache

from sandbox_exporter.billing import Month, MonthClose, Phase, Window
from sandbox_exporter.model import KINDS, Field, Kind, Readings
from sandbox_exporter.poll.state import LIFETIME, Marks
from sandbox_exporter.snapshot import Usage

ACCOUNT_SCOPE = "\0"
"""Begins the scope of an account-level endpoint; template ids are printable, so none does."""

_NOISE = 1e-9
"""Relative difference below which a lower total is float noise, not a correction."""


class _Epoch:
    """One scope's month: the vendor's totals as last reported, and the highest ever reported."""

    __slots__ = ("asked_until", "live", "marks", "month", "totals")

    def __init__(self, month: Month, totals: Readings, marks: Readings) -> None:
        self.month = month
        self.live = False
        """Whether it was shown after its zeros."""
        self.asked_until = 0
        self.totals = totals
        self.marks = marks

    def record(self, totals: Readings, asked_until: int) -> bool:
        """Takes newer totals; True when one fell though no less time was asked for."""
        fell = asked_until >= self.asked_until and any(
            value < self.totals.get(field, 0.0) * (1 - _NOISE) for field, value in totals.items()
        )
        self.asked_until = asked_until
        marks = {**self.marks, **totals}
        for field, mark in self.marks.items():
            marks[field] = max(mark, marks[field])
        self.totals = totals
        self.marks = totals if marks == totals else marks  # one dict for most: there are thousands
        return fell


class _Scope:
    """An account or a template: up to two months, its levels, and its lifetime marks."""

    __slots__ = ("closed", "current", "held", "levels", "lifetime", "shown", "shown_at")

    def __init__(self) -> None:
        self.closed: _Epoch | None = None
        self.current: _Epoch | None = None
        self.levels: Readings = {}
        self.lifetime: Readings = {}
        self.held: dict[Field, float] | None = None
        """When each counter was born that still shows 0 (monotonic seconds); None for most."""
        self.shown = Usage()
        self.shown_at: tuple[Phase, Month] | None = None
        """For what `shown` was made; None when it is out of date."""

    def epoch(self, month: Month) -> _Epoch | None:
        """What is known of `month`."""
        for epoch in (self.current, self.closed):
            if epoch is not None and epoch.month == month:
                return epoch
        return None

    def open(self, month: Month) -> _Epoch:
        """The epoch of `month`, made if need be; a new month moves the old one aside."""
        epoch = self.epoch(month)
        if epoch is None:
            epoch = _Epoch(month, {}, {})
            if self.current is None or self.current.month < month:
                self.closed, self.current = self.current, epoch
            else:  # the clock was set back
                self.closed = epoch
        return epoch


class Ledger:
    """The counters of one account and its templates."""

    def __init__(self, close: MonthClose) -> None:
        self.close = close
        self._scopes: dict[str, _Scope] = {}
        self._known_at_start: set[str] | None = None
        self._restored = False
        self._first_month: Month | None = None
        self._held: set[str] = set()

    def meet(self, ids: Iterable[str]) -> None:
        """Names templates that were there when the exporter started: their series are not births.

        They may already stand in a Prometheus, where a 0 would count their month twice. Only the
        first call counts: what a reload finds has appeared while the exporter ran.
        """
        if self._known_at_start is None:
            self._known_at_start = set(ids)

    def begin(self, now: float) -> None:
        """Notes when the first poll began (Unix seconds), well or not.

        In the months that were not shown before then nothing can stand in a Prometheus.
        """
        if self._first_month is None:
            month = self.shown_month(now)
            in_zeros = self.close.phase(now) is Phase.ZERO
            self._first_month = month.previous() if in_zeros else month

    def record(self, scope_id: str, window: Window, readings: Readings, clock: float) -> bool:
        """Takes an answer for a window; True when the vendor corrected a month's total downwards.

        `clock` is monotonic seconds.
        """
        self._first_month = self._first_month or window.month
        scope = self._scopes.get(scope_id)
        at_start = scope is None and self._was_there(scope_id, window.month)
        if scope is None:
            scope = self._scopes[scope_id] = _Scope()
        epoch = scope.open(window.month)
        totals = {f: v for f, v in readings.items() if KINDS[f] is Kind.MONTH_TOTAL}
        births = {field: clock for field in totals if field not in epoch.marks}
        if births and not at_start:
            scope.held = {**(scope.held or {}), **births}
            self._held.add(scope_id)
        before = scope.levels
        scope.levels = {f: v for f, v in readings.items() if KINDS[f] is not Kind.MONTH_TOTAL}
        fell = False
        for field, value in scope.levels.items():
            if KINDS[field] is Kind.LIFETIME_TOTAL:
                fell |= value < before.get(field, 0.0) * (1 - _NOISE)
                mark = max(value, scope.lifetime.get(field, value))
                scope.lifetime = {**scope.lifetime, field: mark}
        scope.shown_at = None
        return epoch.record(totals, window.end) or fell

    def release(self, clock: float, served: float) -> None:
        """Ends the zeros of births that a scrape has seen, or that have lasted for `zero`.

        `served` is the monotonic time of the newest publication that a scrape was served. Called
        at the start of a poll, so that a birth lasts for one poll at least.
        """
        for scope_id in tuple(self._held):
            scope = self._scopes[scope_id]
            scope.held = {
                field: born
                for field, born in (scope.held or {}).items()
                if served < born and clock - born < self.close.zero
            } or None
            scope.shown_at = None
            if scope.held is None:
                self._held.discard(scope_id)

    def show(self, scope_id: str, now: float) -> Usage:
        """What is published of a scope at `now` (Unix seconds).

        In the zero phase this opens the new month's counters at 0: they were shown, so that their
        first value later is no birth.
        """
        scope = self._scopes.get(scope_id)
        if scope is None:
            return Usage()
        moment = _moment(self.close, now)
        if scope.shown_at != moment:
            scope.shown = _usage(scope, *moment)
            scope.shown_at = moment
        return scope.shown

    def shown_month(self, now: float) -> Month:
        """The month whose counters are shown at `now`."""
        month = Month.at(now)
        return month.previous() if self.close.phase(now) is Phase.SETTLE else month

    def latest(self, scope_id: str, month: Month) -> Readings:
        """The vendor's last word on a scope: its totals of `month`, if asked, and its levels."""
        scope = self._scopes.get(scope_id)
        if scope is None:
            return {}
        epoch = scope.epoch(month)
        return {**scope.levels, **epoch.totals} if epoch else scope.levels

    def templates(self) -> list[str]:
        """The ids of all templates that have an entry."""
        return [scope_id for scope_id in self._scopes if not scope_id.startswith(ACCOUNT_SCOPE)]

    def clear_levels(self, scope_id: str) -> None:
        """Forgets the levels of a template that the vendor no longer has; its totals stay."""
        scope = self._scopes.get(scope_id)
        if scope is not None:
            scope.levels, scope.shown_at = {}, None

    def prune(self, keep: Set[str], month: Month) -> None:
        """Drops templates that are not in `keep` and had no usage recorded in `month`."""
        for scope_id in self.templates():
            if scope_id not in keep and self._scopes[scope_id].epoch(month) is None:
                del self._scopes[scope_id]
                self._held.discard(scope_id)

    @property
    def known(self) -> bool:
        """Whether anything was ever recorded, by this process or one whose marks it has."""
        return self._restored or bool(self._scopes)

    def marks(self, now: float) -> Marks:
        """What a restart at `now` needs to hold the counters: the months still to be shown.

        A counter that still shows the 0 of its birth is left out, and born again.
        """
        oldest = self.shown_month(now)
        periods: dict[str, dict[str, Readings]] = {}
        for scope_id, scope in self._scopes.items():
            for epoch in (scope.closed, scope.current):
                if epoch is None or epoch.month < oldest:
                    continue
                marks = epoch.marks
                if scope.held:
                    marks = {f: mark for f, mark in marks.items() if f not in scope.held}
                if marks:
                    periods.setdefault(str(epoch.month), {})[scope_id] = marks
            if scope.lifetime:
                periods.setdefault(LIFETIME, {})[scope_id] = scope.lifetime
        return periods

    def restore(self, marks: Marks) -> None:
        """Takes the marks of an earlier process, before the first record.

        Its series are known then, so that all others are births, even at the start; without any
        marks for the month all are, for the month began while nobody polled.
        """
        self._restored = True
        for period, scopes in sorted(marks.items()):
            for scope_id, values in scopes.items():
                scope = self._scopes.setdefault(scope_id, _Scope())
                if period == LIFETIME:
                    scope.lifetime = values
                else:
                    scope.open(Month.parse(period)).marks = values

    def _was_there(self, scope_id: str, month: Month) -> bool:
        """Whether a scope's series may have been published before this process began."""
        known = scope_id.startswith(ACCOUNT_SCOPE) or scope_id in (self._known_at_start or ())
        return known and month == self._first_month and not self._restored


@lru_cache(maxsize=1)
def _moment(close: MonthClose, now: float) -> tuple[Phase, Month]:
    """The phase and month of `now`; kept, as all scopes of a snapshot are shown at one moment."""
    return close.phase(now), Month.at(now)


def _usage(scope: _Scope, phase: Phase, month: Month) -> Usage:
    """The published numbers of a scope in one phase of one month."""
    epoch = scope.epoch(month.previous() if phase is Phase.SETTLE else month)
    if phase is Phase.ZERO and epoch is None:
        closed = scope.epoch(month.previous())
        if closed is not None:
            epoch = scope.open(month)
            epoch.totals = epoch.marks = dict.fromkeys(closed.totals, 0.0)
    counters = {f: scope.lifetime[f] for f in scope.levels if f in scope.lifetime}
    if epoch is None:
        return Usage(counters, scope.levels)
    epoch.live |= phase is Phase.LIVE
    # A clock that was set back does not bring the zeros back: the counter would fall.
    held = epoch.totals if phase is Phase.ZERO and not epoch.live else (scope.held or {})
    counters |= {f: 0.0 if f in held else epoch.marks[f] for f in epoch.totals}
    return Usage(counters, {**scope.levels, **epoch.totals})
