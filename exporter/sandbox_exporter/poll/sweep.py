"""One poll's round over the templates: ask as few as explain the account, as many as it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from sandbox_exporter.errors import AnswerError, NotResetError, Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.poll.explain import EXPLAINED_FIELDS, Residual, differs, is_active
from sandbox_exporter.poll.search import Search
from sandbox_exporter.poll.templates import Entry, TemplateBook
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors.base import TemplateSource

CONCURRENCY = 16
"""Template calls under way at once, at most."""
_FEW = 4
"""Calls at once that any number of templates may have."""
_CALLS = 4
"""Calls that each further one at once brings: a connection of its own costs more than a call."""
_ALIKE = frozenset({Reason.AUTH, Reason.RATE_LIMITED, Reason.QUOTA})
"""Failures after which the other templates would fail alike."""
_OUTAGE = frozenset({Reason.SERVER, Reason.TIMEOUT, Reason.CONNECT})
_MOST_FAILURES = 3
"""Failures in a row that look like an outage, after which a sweep ends; of other ones, that look
like a route that is gone or changed, as many as are under way at once."""


@dataclass(slots=True)
class SweepResult:
    """What a sweep did."""

    answered: int = 0
    skipped: int = 0
    """Templates that were not asked, and proven unchanged."""
    cut_short: bool = False
    """Whether the request limit or the poll's time left some unasked that should have been."""
    corrections: int = 0
    failed: list[tuple[Entry, UpstreamError]] = field(default_factory=list)
    ended: UpstreamError | None = None
    """The failure that is not one template's own, and ended the sweep."""
    overrun: AnswerError | None = None
    """Set when templates exceed their account."""

    @property
    def errors(self) -> list[UpstreamError]:
        """What failed in this sweep."""
        errors = [error for _, error in self.failed]
        return [*errors, self.overrun] if self.overrun else errors


class Sweep:
    """A round over one account's templates, repeated poll by poll."""

    def __init__(
        self,
        source: TemplateSource,
        book: TemplateBook,
        ledger: Ledger,
        *,
        discovered: bool,
        clock: Callable[[], float],
        faults: FaultLog,
    ) -> None:
        self._source = source
        self._book = book
        self._ledger = ledger
        self._discovered = discovered
        self._clock = clock
        self._faults = faults
        self._residual = Residual(source.rounding)
        self._search = Search(book, self._residual)
        self._poll = 0
        self._failures = 0
        """Failures in a row of templates that did not fail before."""

    async def run(
        self,
        account: Readings,
        window: Window,
        compulsory: list[Entry],
        may_ask: Callable[[], Awaitable[bool]],
    ) -> SweepResult:
        """Asks `compulsory` templates, then others, likeliest first, until all is explained.

        `account` is the account's own answer for the same window. `may_ask` ends the sweep when
        it says no: the request limit or the poll's time is used up. The rest follows with the
        next poll.
        """
        self._poll += 1
        self._failures = 0
        result = SweepResult()
        residual = self._residual
        residual.begin(account, window.month, lambda: self._sums(window))
        left = await self._ask_all(compulsory, window, result, lambda: False, may_ask)
        if not residual.explained:
            tried = {entry.template.id for entry in compulsory}
            suspects = self._search.suspects(self._poll, self._clock())
            rest = [e for e in suspects if e.template.id not in tried]
            left += await self._ask_all(
                rest, window, result, lambda: residual.explained, may_ask, self._search.found
            )
        self._judge(result, window)
        result.cut_short = left > 0 and result.ended is None
        if residual.explained:
            result.skipped = len(self._book) - result.answered - len(result.failed)
        if residual.overrun:
            result.overrun = AnswerError(
                "templates add up to more than their account: is template_id ignored?"
            )
        self._vouch(result)
        self._search.end(self._clock())
        answering = (entry.asked_poll for entry in self._book if not entry.failures)
        residual.end(self._poll, min(answering, default=self._poll))
        return result

    async def _ask_all(
        self,
        entries: Iterable[Entry],
        window: Window,
        result: SweepResult,
        enough: Callable[[], bool],
        may_ask: Callable[[], Awaitable[bool]],
        changed: Callable[[], None] = lambda: None,
    ) -> int:
        """Asks until `enough`; returns how many were not asked though it was not enough.

        `changed` is told of each answer that differs from the one before.
        """
        queue = deque(entries)

        async def worker() -> None:
            while result.ended is None and not enough() and queue and await may_ask():
                if queue and await self._ask(queue.popleft(), window, result):
                    changed()

        async with asyncio.TaskGroup() as workers:
            for _ in range(_at_once(len(queue))):
                workers.create_task(worker())
        return 0 if enough() else len(queue)

    async def _ask(self, entry: Entry, window: Window, result: SweepResult) -> bool:
        """Asks one template; whether its answer differs from the one before."""
        template_id = entry.template.id
        before = self._ledger.latest(template_id, window.month)
        try:
            closing = self._ledger.closing(template_id)
            if closing is not None:
                final = await self._usage(template_id, closing)
                self._ledger.close_month(template_id, closing, final)
            after = await self._usage(template_id, window)
            corrected = self._ledger.record(template_id, window, after, self._clock())
        except NotResetError as error:
            result.failed.append((entry, error))
            return False
        except UpstreamError as error:
            self._failed(entry, error, result)
            return False
        self._failures = 0
        result.answered += 1
        clock = self._clock()
        result.corrections += corrected
        self._residual.take(template_id, before, after)
        changed = differs(before, after)
        active = is_active(before, after)
        self._book.answered(entry, poll=self._poll, window=window, active=active, clock=clock)
        return changed

    def _failed(self, entry: Entry, error: UpstreamError, result: SweepResult) -> None:
        """Ends the sweep when the failure looks like one that the others share."""
        result.failed.append((entry, error))
        if not entry.failures:
            self._failures += 1
        most = _MOST_FAILURES if error.reason in _OUTAGE else CONCURRENCY
        if result.ended is None and (error.reason in _ALIKE or self._failures >= most):
            result.ended = error

    def _judge(self, result: SweepResult, window: Window) -> None:
        """Tells failures of single templates from those of the vendor.

        A template that is not found is gone where the list no longer has it either; the first time
        the next list is waited for. So many of them at once that most of the answers are no others
        mean that the route is gone.
        """
        new = [e for e, error in result.failed if _is_absent(error) and e.listed and not e.failures]
        if result.ended is None and len(new) > max(1, result.answered):
            result.ended = next(error for entry, error in result.failed if entry is new[0])
        ended = result.ended
        own = ended is None or (result.answered > 0 and ended.reason not in _ALIKE)
        clock = self._clock()
        kept: list[tuple[Entry, UpstreamError]] = []
        for entry, error in result.failed:
            absent = self._discovered and error.status == 404
            if absent and not entry.listed and result.ended is None:
                self._gone(entry.template.id, window)
                continue
            if absent and result.ended is None and not entry.failures:
                entry.failures = 1
                continue
            if own or isinstance(error, NotResetError):
                entry.failed(error, clock)
            entry.tried_at = clock
            kept.append((entry, error))
        result.failed = kept

    def _vouch(self, result: SweepResult) -> None:
        """What holds good: new answers, and what was not asked unless an outage kept it from it.

        So do the zeros of templates that the vendor has not reset yet.
        """
        unasked = result.ended is None or self._residual.explained
        failed = {entry.template.id for entry, _ in result.failed}
        self._book.vouch(
            self._clock(),
            {
                entry.template.id
                for entry in self._book
                if entry.asked_poll == self._poll
                or isinstance(entry.error, NotResetError)
                or (unasked and entry.error is None and entry.template.id not in failed)
            },
        )

    async def _usage(self, template_id: str, window: Window) -> Readings:
        call = self._source.usage(template_id, window)
        return await self._faults.contain("template_summary", call)

    def _gone(self, template_id: str, window: Window) -> None:
        """A template was deleted since it was listed: its usage stays, its levels are no more."""
        before = self._ledger.latest(template_id, window.month)
        self._ledger.clear_levels(template_id)
        self._residual.move(before, self._ledger.latest(template_id, window.month))
        self._book.gone(template_id)

    def _sums(self, window: Window) -> dict[Field, float]:
        sums = dict.fromkeys(EXPLAINED_FIELDS, 0.0)
        for template_id in self._ledger.templates():
            for field_, value in self._ledger.latest(template_id, window.month).items():
                if field_ in sums:
                    sums[field_] += value
        return sums


def _at_once(calls: int) -> int:
    return min(calls, max(_FEW, calls // _CALLS), CONCURRENCY)


def _is_absent(error: UpstreamError) -> bool:
    return error.reason is Reason.NOT_FOUND
