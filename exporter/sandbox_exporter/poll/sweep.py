"""One poll's round over the templates: ask as few as explain the account, as many as it takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from sandbox_exporter.billing import Window
from sandbox_exporter.errors import AnswerError, NotResetError, Reason, UpstreamError
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.poll.explain import EXPLAINED_FIELDS, Residual
from sandbox_exporter.poll.ledger import Ledger
from sandbox_exporter.poll.templates import Entry, TemplateBook
from sandbox_exporter.providers.base import TemplateSource
from sandbox_exporter.supervisor import FaultLog

CONCURRENCY = 16
"""Template calls under way at once."""
_HOPELESS = frozenset({Reason.AUTH, Reason.FORBIDDEN, Reason.RATE_LIMITED, Reason.QUOTA})
"""Failures after which the other templates would fail alike."""
_OUTAGE = frozenset({Reason.SERVER, Reason.TIMEOUT, Reason.CONNECT})
_MOST_FAILURES = 3
"""Failures in a row that look like an outage, after which a sweep ends."""


@dataclass(slots=True)
class SweepResult:
    """What a sweep did."""

    answered: int = 0
    skipped: int = 0
    """Templates that were not asked, and proven unchanged."""
    cut_short: bool = False
    """Whether the request limit or the poll's time left some unasked that should have been."""
    corrections: int = 0
    errors: list[UpstreamError] = field(default_factory=list)


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
        self._residual = Residual()
        self._poll = 0
        self._searching_since: int | None = None
        """The poll in which what is looked for showed; None while all is explained."""
        self._failures = 0

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
        self._residual.begin(account, window.month, lambda: self._sums(window))
        left = await self._ask_all(compulsory, window, result, lambda: False, may_ask)
        if not self._residual.explained:
            tried = {entry.template.id for entry in compulsory}
            suspects = (e for e in self._suspects() if e.template.id not in tried)
            left += await self._ask_all(
                suspects, window, result, lambda: self._residual.explained, may_ask
            )
        result.cut_short = left > 0 and not self._hopeless(result)
        if self._residual.explained:
            self._searching_since = None
            result.skipped = len(self._book) - result.answered - len(result.errors)
        if self._residual.overrun:
            result.errors.append(
                AnswerError("templates add up to more than their account: is template_id ignored?")
            )
        oldest = min((entry.asked_poll for entry in self._book), default=self._poll)
        self._residual.end(self._poll, oldest)
        return result

    def _suspects(self) -> list[Entry]:
        """Those that may hold what is unexplained.

        New change may be anyone's; of change that showed earlier, those asked since are clear.
        Who was not asked since the search began comes first, lest a search over many polls ask
        the likeliest again and again.
        """
        if self._searching_since is None:
            self._searching_since = self._poll
        asked_since = self._poll if self._residual.changed else self._residual.suspect_poll
        suspects = self._book.by_likelihood(e for e in self._book if e.asked_poll < asked_since)
        before = self._searching_since - 1
        return sorted(suspects, key=lambda entry: max(entry.asked_poll, before))

    async def _ask_all(
        self,
        entries: Iterable[Entry],
        window: Window,
        result: SweepResult,
        enough: Callable[[], bool],
        may_ask: Callable[[], Awaitable[bool]],
    ) -> int:
        """Asks until `enough`; returns how many were not asked though it was not enough."""
        queue = deque(entries)

        async def worker() -> None:
            while not self._hopeless(result) and not enough() and queue and await may_ask():
                if queue:  # another worker may have taken the last one meanwhile
                    await self._ask(queue.popleft(), window, result)

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(CONCURRENCY, len(queue))):
                workers.create_task(worker())
        return 0 if enough() else len(queue)

    async def _ask(self, entry: Entry, window: Window, result: SweepResult) -> None:
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
            entry.asked_at, entry.failing = self._clock(), True  # shown, at 0
            result.errors.append(error)
            return
        except UpstreamError as error:
            if error.reason is Reason.NOT_FOUND and self._discovered:
                self._gone(template_id, window)
                return
            entry.failing = True
            self._failures += error.reason in _OUTAGE
            result.errors.append(error)
            return
        self._failures = 0
        result.answered += 1
        clock = self._clock()
        result.corrections += corrected
        self._residual.take(before, after)
        grew = any(after.get(f, 0.0) != before.get(f, 0.0) for f in EXPLAINED_FIELDS)
        active = after.get(Field.RUNNING_SANDBOXES, 0.0) > 0 or (grew and bool(before))
        self._book.answered(entry, poll=self._poll, window=window, active=active, clock=clock)

    async def _usage(self, template_id: str, window: Window) -> Readings:
        call = self._source.usage(template_id, window)
        return await self._faults.contain("template_summary", call)

    def _gone(self, template_id: str, window: Window) -> None:
        """A template was deleted since it was listed: its usage stays, its levels are no more."""
        before = self._ledger.latest(template_id, window.month)
        self._ledger.clear_levels(template_id)
        self._residual.move(before, self._ledger.latest(template_id, window.month))
        self._book.gone(template_id)

    def _hopeless(self, result: SweepResult) -> bool:
        return self._failures >= _MOST_FAILURES or (
            bool(result.errors) and result.errors[-1].reason in _HOPELESS
        )

    def _sums(self, window: Window) -> dict[Field, float]:
        sums = dict.fromkeys(EXPLAINED_FIELDS, 0.0)
        for template_id in self._ledger.templates():
            for field_, value in self._ledger.latest(template_id, window.month).items():
                if field_ in sums:
                    sums[field_] += value
        return sums
