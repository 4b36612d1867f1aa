"""The ledger behind the counters: what a month's totals were, and what the counters show of them.

Promises kept here: a counter is the usage of the billing month, never falls within it, shows 0
before a new month's first value and until the vendor has reset, and a series that first appears
while the exporter runs is born at 0. Which month and phase it is comes from the clock alone
(`month`); only with a state file is a closed month waited for that could not be asked in time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Set

from sandbox_exporter.errors import NotResetError
from sandbox_exporter.ledger.month import LONGEST_CLOSE, Month, MonthClose, Phase, Window
from sandbox_exporter.ledger.scope import LIFETIME, NOISE, SHOWN, Late, Marks, Moment, Scope, moment
from sandbox_exporter.model import KINDS, Kind, Readings
from sandbox_exporter.snapshot import Usage

ACCOUNT_SCOPE = "\0"
"""Begins the scope of an account-level endpoint; template ids are printable, so none does."""
_LISTING = ACCOUNT_SCOPE + "templates of the start"
"""Is among what was there at the start while the first list of templates is still being read."""
_LEAST, _MOST = 0.9, 2.0
"""A new month's total goes on from the closed one's when it is this many times as much."""


class Ledger:
    """The counters of one account and its templates."""

    def __init__(self, close: MonthClose) -> None:
        self.close = close
        self.persistent = False
        """Whether the marks are kept in a state file: then a closed month is waited for."""
        self.metered = False
        """Whether totals start anew by themselves, so that no reset can be late."""
        self._scopes: dict[str, Scope] = {}
        self._references: dict[str, Readings] = {}
        """Final totals of the closed month that serve only to tell a late reset."""
        self._account: tuple[Month | None, Readings] = (None, {})
        """The account's own totals as last taken, and their month."""
        self._now = 0.0
        """When the last poll began (Unix seconds)."""
        self._turns: set[float] = set()
        """When scopes that turn late show something else (Unix seconds)."""
        self._known_at_start = {ACCOUNT_SCOPE, _LISTING}
        """What may have been published before this ledger's first month was first polled."""
        self._restored = False
        self._first_month: Month | None = None
        self._held: set[str] = set()

    def meet(self, ids: Iterable[str], *, more: bool = False) -> None:
        """Names templates that were there when the exporter started: their series are not births.

        They may already stand in a Prometheus, where a 0 would count their month twice. Only the
        first call counts, and those after one that said `more`, for a list of many pages: what a
        reload finds has appeared while the exporter ran, and what a restart with a state file
        finds, while it was down.
        """
        if _LISTING in self._known_at_start:
            self._known_at_start.update(ids)
            if not more:
                self._known_at_start.discard(_LISTING)

    def begin(self, now: float) -> None:
        """Notes when a poll began (Unix seconds), well or not.

        In the months that were not shown before the first one nothing can stand in a Prometheus.
        """
        self._now = now
        self._turns = {turn for turn in self._turns if turn > now - LONGEST_CLOSE}
        if self._first_month is None:
            month = self.shown_month(now)
            in_zeros = self.close.phase(now) is Phase.ZERO
            self._first_month = month.previous() if in_zeros else month

    def record(self, scope_id: str, window: Window, readings: Readings, clock: float) -> bool:
        """Takes an answer for a window; True when the vendor corrected a month's total downwards.

        `clock` is monotonic seconds. Raises `NotResetError` when the month's totals plainly go on
        from the closed month's; its counters then show 0, and everything else is taken.
        """
        self._first_month = self._first_month or window.month
        scope = self._scopes.get(scope_id)
        at_start = scope is None and self._was_there(scope_id, window.month)
        if scope is None:
            scope = self._scopes[scope_id] = Scope()
        scope.made_for = None
        fell = _record_levels(scope, readings)
        epoch = scope.open(window.month)
        totals = _month_totals(readings)
        try:
            self._check_reset(scope_id, window, totals)
        except NotResetError:
            if not epoch.totals:
                epoch.totals = epoch.marks = dict.fromkeys(totals, 0.0)
            raise
        births = {field: clock for field in totals if field not in epoch.marks}
        # The zeros of a late turn are still to come.
        if births and not at_start and not self._late(scope, moment(self.close, self._now)):
            scope.held = {**(scope.held or {}), **births}
            self._held.add(scope_id)
        if totals and scope_id.startswith(ACCOUNT_SCOPE):
            self._account = (window.month, totals)
        return epoch.record(totals, window.end) or fell

    def _check_reset(self, scope_id: str, window: Window, totals: Readings) -> None:
        """Refuses totals that cannot be told from the closed month's, on a month's first day.

        Usage of a month's first minutes is far below that of a whole month, or, where that was
        hardly used, soon twice as much. Once an answer was taken, the vendor has reset, and later
        ones may be whatever they are.
        """
        known = self._known_closed(scope_id, window.month)
        both = [f for f, total in totals.items() if known.get(f, 0.0) > 0]
        late = window.end - window.month.start <= LONGEST_CLOSE and not self.metered
        if not late or self._has_begun(scope_id, window.month):
            return
        if any(totals[f] < known[f] * _LEAST for f in both):
            return
        month, account = self._account
        if month == window.month and not scope_id.startswith(ACCOUNT_SCOPE):
            # The account has been reset: what is within its total may be the template's own.
            both = [f for f in both if totals[f] > account.get(f, 0.0) * (1 + NOISE)]
        field = next((f for f in both if totals[f] < known[f] * _MOST), None)
        if field is not None:
            raise NotResetError(
                f"{field}: {totals[field]:.6g} for the new month goes on from the "
                f"{known[field]:.6g} of {window.month.previous()}: the vendor has not reset it "
                "yet, and it counts as 0 until then"
            )

    def _known_closed(self, scope_id: str, month: Month) -> Readings:
        """What is known of the totals of the month before `month`."""
        scope = self._scopes.get(scope_id)
        closed = scope.epoch(month.previous()) if scope else None
        return closed.marks if closed and closed.marks else self._references.get(scope_id, {})

    def _has_begun(self, scope_id: str, month: Month) -> bool:
        """Whether an answer for the month was taken, by this process or one whose marks it has."""
        scope = self._scopes.get(scope_id)
        epoch = scope.epoch(month) if scope else None
        return epoch is not None and (epoch.asked_until > 0 or any(epoch.marks.values()))

    def closing(self, scope_id: str) -> Window | None:
        """The closed month's window, when it has to be asked for before the running month's.

        That is when its final total is still to be shown, and for an account of which nothing is
        known since a restart, so that a late reset can be told.
        """
        at = moment(self.close, self._now)
        if at.phase is Phase.SETTLE or not at.turning:
            return None
        whole = Window.whole(at.closed)
        if self._is_owed(scope_id, at):
            return whole
        told = self.metered or scope_id in self._references
        if told or not scope_id.startswith(ACCOUNT_SCOPE):
            return None
        if self._known_closed(scope_id, at.month) or self._has_begun(scope_id, at.month):
            return None
        return whole if at.now - at.month.start < LONGEST_CLOSE else None

    def owed(self) -> set[str]:
        """The templates whose closed month has to be asked for."""
        at = moment(self.close, self._now)
        if not (self.persistent and at.turning):
            return set()
        return {scope_id for scope_id in self.templates() if self._is_owed(scope_id, at)}

    def _is_owed(self, scope_id: str, at: Moment) -> bool:
        scope = self._scopes.get(scope_id)
        late = self._late(scope, at) if scope else None
        closed = scope.epoch(at.closed) if scope else None
        return bool(closed and late and late.phase is Phase.SETTLE and not closed.final)

    def close_month(self, scope_id: str, window: Window, readings: Readings) -> None:
        """Takes the answer for the window that `closing` gave."""
        scope = self._scopes.get(scope_id)
        closed = scope.epoch(window.month) if scope else None
        totals = _month_totals(readings)
        if scope is None or closed is None or not closed.marks:
            self._references[scope_id] = totals
        else:
            closed.record({**closed.totals, **totals}, window.end)
            scope.made_for = None

    def _late(self, scope: Scope, at: Moment) -> Late | None:
        return scope.late(at, self.close) if self.persistent else None

    def release(self, clock: float, served: float) -> None:
        """Ends the zeros of births that a scrape has seen, or that have lasted for `zero`.

        `served` is the monotonic time of the newest publication that a scrape was served, as the
        state file knows it if there is one: a value may be shown only after a restart would no
        longer take it for a birth. Called at the start of a poll, so that a birth lasts for one
        poll at least.
        """
        for scope_id in tuple(self._held):
            scope = self._scopes[scope_id]
            scope.held = {
                field: born
                for field, born in (scope.held or {}).items()
                if served < born and clock - born < self.close.zero
            } or None
            scope.made_for = None
            if scope.held is None:
                self._held.discard(scope_id)

    def born(self, after: float, until: float) -> bool:
        """Whether a counter that still shows 0 was born after one monotonic time, until another."""
        held = (self._scopes[scope_id].held or {} for scope_id in self._held)
        return any(after < born <= until for births in held for born in births.values())

    def show(self, scope_id: str, now: float) -> Usage:
        """What is published of a scope at `now` (Unix seconds).

        In the zero phase this opens the new month's counters at 0: they were shown, so that their
        first value later is no birth.
        """
        scope = self._scopes.get(scope_id)
        if scope is None:
            return Usage()
        at = moment(self.close, now)
        phase = at.phase
        if self.persistent and at.turning:
            late = scope.show_late(at, self.close)
            if late is not None:
                phase = late.phase
                self._turns |= {late.until, late.known_from}
        if scope.made_for != (phase, at.month):
            scope.shown = scope.usage(phase, at.month)
            scope.made_for = (phase, at.month)
        return scope.shown

    def shown_month(self, now: float, scope_id: str = "") -> Month:
        """The month whose counters are shown at `now`, by the clock or of a scope."""
        at = moment(self.close, now)
        scope = self._scopes.get(scope_id)
        late = self._late(scope, at) if scope else None
        return at.closed if (late.phase if late else at.phase) is Phase.SETTLE else at.month

    def turned(self, now: float) -> int:
        """A number that changes when scopes that turn late show something else."""
        return sum(turn <= now for turn in self._turns)

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
            scope.levels, scope.made_for = {}, None

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
        """What a restart at `now` needs to hold the counters: the months still to be shown."""
        periods: dict[str, dict[str, Readings]] = {}
        for period, scope_id, marks in self.entries(now):
            periods.setdefault(period, {})[scope_id] = marks
        return periods

    def entries(self, now: float, served: float = -math.inf) -> Iterator[tuple[str, str, Readings]]:
        """The marks one by one, by period and scope; the ledger may change in between.

        Without any marks are those that were there at the start and have not answered. `served` is
        the monotonic time of the newest publication that a scrape was served, see `Scope.entries`.
        """
        at = moment(self.close, now)
        month = self._first_month
        if month is not None and month >= self.shown_month(now):
            for scope_id in tuple(self._known_at_start):
                if scope_id not in self._scopes:
                    yield str(month), scope_id, {}
        for scope_id, scope in tuple(self._scopes.items()):
            for period, marks in scope.entries(at, self._late(scope, at), served):
                yield period, scope_id, marks

    def restore(self, marks: Marks) -> None:
        """Takes the marks of an earlier process, before the first record.

        Its series are known then, and what was there at its start, so that all others are births,
        even now; without any marks for the month all are, for it began while nobody polled.
        """
        self._restored = self.persistent = True
        self._known_at_start = set()
        for period, scopes in sorted(marks.items()):
            for scope_id, values in scopes.items():
                if not values:
                    self._known_at_start.add(scope_id)
                    self._first_month = Month.parse(period)
                    continue
                scope = self._scopes.setdefault(scope_id, Scope())
                closed = scope.closed or scope.current
                if period == LIFETIME:
                    scope.lifetime = values
                elif period != SHOWN:
                    scope.open(Month.parse(period)).marks = values
                elif closed is not None:
                    closed.shown_at = min(values.values(), default=None)

    def _was_there(self, scope_id: str, month: Month) -> bool:
        """Whether a scope's series may have been published before this process began."""
        name = ACCOUNT_SCOPE if scope_id.startswith(ACCOUNT_SCOPE) else scope_id
        return name in self._known_at_start and month == self._first_month


def _month_totals(readings: Readings) -> Readings:
    return {f: v for f, v in readings.items() if KINDS[f] is Kind.MONTH_TOTAL}


def _record_levels(scope: Scope, readings: Readings) -> bool:
    """Takes all that is no month's total; True when a lifetime total fell."""
    before = scope.levels
    scope.levels = {f: v for f, v in readings.items() if KINDS[f] is not Kind.MONTH_TOTAL}
    fell = False
    for field, value in scope.levels.items():
        if KINDS[field] is Kind.LIFETIME_TOTAL:
            fell |= value < before.get(field, 0.0) * (1 - NOISE)
            mark = max(value, scope.lifetime.get(field, value))
            scope.lifetime = {**scope.lifetime, field: mark}
    return fell
