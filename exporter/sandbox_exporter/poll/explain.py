"""Whether the templates that were asked explain what the account's totals did.

The account's answer `A` and the last answers of its templates `T` differ by a residual
`R = A - sum(T)`: usage of templates that are not listed, and rounding. While `R` stays what it was
when every template was last accounted for, no template that was not asked can have changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from sandbox_exporter.ledger.month import Month
from sandbox_exporter.model import KINDS, Field, Kind, Readings
from sandbox_exporter.vendors.base import Rounding

EXPLAINED_FIELDS = (
    Field.VCPU_SECONDS,
    Field.MEMORY_BYTE_SECONDS,
    Field.DATA_TRANSFER_BYTES,
    Field.COST_USD,
    Field.RUNNING_SANDBOXES,
    Field.PAUSED_STORAGE_BYTES,
)
"""What accounts and templates both report: all of it must be explained."""

_MONTH_TOTALS = tuple(f for f in EXPLAINED_FIELDS if KINDS[f] is Kind.MONTH_TOTAL)
_MOST_DECIMALS = 12
_NOISE = 1e-9
_OVERRUN = 0.1
"""Share by which templates may exceed their account, beside one of its units: booking lags."""


class Residual:
    """The residual of one account, followed from poll to poll."""

    def __init__(self, rounding: Rounding) -> None:
        self._rounding = rounding
        self._account: Readings = {}
        self._templates: dict[Field, float] = {}
        self._settled: dict[Field, float] = {}
        """The residual when every template was last accounted for."""
        self._settled_poll = 0
        self._moved: set[str] = set()
        """Templates whose answers have changed since, by whose rounding the residual may be off."""
        self._before: Mapping[Field, float] = {}
        """The residual at the end of the last poll."""
        self._account_decimals: dict[Field, int] = {}
        self._template_decimals: dict[Field, int] = {}
        self._month: Month | None = None
        self._answers: dict[Field, float] = {}
        """Sums of the answers of this poll alone."""
        self.suspect_poll = 0
        """The poll in which the residual last changed: whom it asked, or a later one, is clear."""

    def begin(
        self, account: Readings, month: Month, sums: Callable[[], Mapping[Field, float]]
    ) -> None:
        """Starts a poll with the account's answer.

        `sums` adds up what is known of all templates in `month`; it is asked when the month is
        another than in the last poll, and followed by `take` from then on.
        """
        if self._month != month:
            self._templates = dict(sums())
            if self._month is not None:
                # A month starts with no usage, so nothing of it is unexplained.
                self._settled.update(dict.fromkeys(_MONTH_TOTALS, 0.0))
        self._month = month
        self._account = account
        self._answers = {}
        _learn_decimals(self._account_decimals, account, self._rounding)

    def take(self, template_id: str, before: Readings, after: Readings) -> None:
        """Counts a template's new answer in place of its old one."""
        self.move(before, after)
        if after.get(Field.RUNNING_SANDBOXES) or differs(before, after):
            self._moved.add(template_id)
        for field in EXPLAINED_FIELDS:
            self._answers[field] = self._answers.get(field, 0.0) + after.get(field, 0.0)
        _learn_decimals(self._template_decimals, after, self._rounding)

    def move(self, before: Readings, after: Readings) -> None:
        """Counts what is known of a template anew, though it did not answer."""
        for field in EXPLAINED_FIELDS:
            change = after.get(field, 0.0) - before.get(field, 0.0)
            self._templates[field] = self._templates.get(field, 0.0) + change

    @property
    def explained(self) -> bool:
        """Whether every template that was not asked must be as it was."""
        return self._same(self._settled)

    @property
    def overrun(self) -> bool:
        """Whether the templates asked in this poll plainly exceed the account, by totals."""
        return any(
            self._answers.get(field, 0.0)
            > (1 + _OVERRUN) * self._account[field] + self._rounding.units.get(field, 1.0)
            for field in _MONTH_TOTALS
            if field in self._account
        )

    @property
    def changed(self) -> bool:
        """Whether the residual is another than at the end of the last poll."""
        return not self._same(self._before)

    def end(self, poll: int, oldest_answer: int) -> None:
        """Ends a poll; `oldest_answer` is the poll of the oldest answer of templates that answer.

        What no template explains, though each was asked since it showed, belongs to none of them.
        Where nothing is left to explain, the same is done whenever each was asked anew: so only
        those that changed in the meantime count as rounded anew.
        """
        residual = self._residual()
        explained = self.explained
        if not explained and self.changed:
            self.suspect_poll = poll
        if oldest_answer >= (self._settled_poll + 1 if explained else self.suspect_poll):
            self._settled, self._settled_poll = dict(residual), poll
            self._moved.clear()
        self._before = residual

    def _residual(self) -> dict[Field, float]:
        return {
            field: self._account[field] - self._templates.get(field, 0.0)
            for field in EXPLAINED_FIELDS
            if field in self._account
        }

    def _same(self, reference: Mapping[Field, float]) -> bool:
        return all(
            field in reference and abs(value - reference[field]) <= self._tolerance(field)
            for field, value in self._residual().items()
        )

    def _tolerance(self, field: Field) -> float:
        """What rounding can do to a residual: float noise where values are not rounded.

        The difference of two values that are rounded to a step is off by one step at most. Of the
        many that add up most cancel out, so that the bound grows with their square root: 2 steps
        are five standard deviations.
        """
        noise = _NOISE * abs(self._account.get(field, 0.0))
        if field is Field.RUNNING_SANDBOXES:
            return noise
        account = _step(field, self._account_decimals, self._rounding)
        template = _step(field, self._template_decimals, self._rounding)
        count = len(self._moved)
        return noise + account + template * min(count, 2 * math.sqrt(count))


def differs(before: Readings, after: Readings) -> bool:
    """Whether two answers differ in what must be explained."""
    return any(after.get(f, 0.0) != before.get(f, 0.0) for f in EXPLAINED_FIELDS)


def is_active(before: Readings, after: Readings) -> bool:
    """Whether an answer shows running sandboxes, or another usage than the one before it."""
    return after.get(Field.RUNNING_SANDBOXES, 0.0) > 0 or (bool(before) and differs(before, after))


def _step(field: Field, decimals: Mapping[Field, int], rounding: Rounding) -> float:
    """The step to which values are rounded, in base units; 0 where they are not."""
    places = decimals.get(field, rounding.decimals)
    return rounding.units.get(field, 1.0) / 10.0**places if places < _MOST_DECIMALS else 0.0


def _learn_decimals(learned: dict[Field, int], readings: Readings, rounding: Rounding) -> None:
    for field in EXPLAINED_FIELDS:
        value = readings.get(field)
        if value is None:
            continue
        amount = value / rounding.units.get(field, 1.0)
        decimals = learned.get(field, rounding.decimals)
        while decimals < _MOST_DECIMALS and not math.isclose(
            amount, round(amount, decimals), rel_tol=1e-12, abs_tol=1e-13
        ):
            decimals += 1
        learned[field] = decimals
