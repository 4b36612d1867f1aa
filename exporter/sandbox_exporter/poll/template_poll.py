"""The templates' part of a poll: which there are, and the round over them that asks their usage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sandbox_exporter.config.model import DISCOVER, Account
from sandbox_exporter.errors import AnswerError, NotResetError, Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Readings, Template
from sandbox_exporter.poll.breakdown import Round, build_round
from sandbox_exporter.poll.budget import Budget
from sandbox_exporter.poll.context import LONGEST_POLL, Upstream
from sandbox_exporter.poll.discovery import Discovery
from sandbox_exporter.poll.health import AccountHealth
from sandbox_exporter.poll.observer import PollObserver
from sandbox_exporter.poll.templates import TemplateBook
from sandbox_exporter.vendors.base import AtOnce, Breakdown

_LONGEST_WAIT = 5.0
"""Seconds for which a round waits for the request limit rather than leave the rest for later."""


class TemplatePoll:
    """Keeps the templates of one account, and asks what each of them used."""

    def __init__(
        self,
        account: Account,
        upstream: Upstream,
        ledger: Ledger,
        health: AccountHealth,
        observer: PollObserver,
        clock: Callable[[], float],
    ) -> None:
        self._account = account
        self._endpoints = upstream.provider.endpoints
        self._limiter = upstream.limiter
        self._ledger = ledger
        self._health = health
        self._observer = observer
        self._clock = clock
        self.book = TemplateBook(account.max_templates)
        """The templates, and how each of them fares."""
        self.cut_short = False
        """Whether the last poll left templates for the next one that it should have asked."""
        self._chosen = None if account.templates == DISCOVER else account.templates
        self._budget = Budget(
            account.max_requests_per_minute,
            min(account.poll_interval, LONGEST_POLL),
            own_calls=sum(endpoint.calls for endpoint in self._endpoints) + 1,
        )
        self._discovery: Discovery | None = None
        self._round: Round | None = None
        if upstream.provider.templates is not None:
            self._prepare(upstream.provider.templates)

    def _prepare(self, source: Breakdown) -> None:
        if self._chosen is not None:
            self.book.update([Template(name) for name in self._chosen], self._clock())
            self._ledger.meet(self._chosen)
        elif not isinstance(source, AtOnce):
            self._health.watch("templates", optional=True)
            limit = self._account.max_requests_per_minute
            self._discovery = Discovery(source, self.book, limit, self._clock)
        self._health.watch("template_summary")
        self._round = build_round(
            source,
            self.book,
            self._ledger,
            chosen=self._chosen,
            clock=self._clock,
            faults=self._health.faults,
        )

    def resume(self, before: TemplatePoll) -> None:
        """Goes on from what the poll of the same vendor account knew of its templates."""
        self.book.resume(before.book, None if self._chosen is None else set(self._chosen))

    @property
    def wanted(self) -> bool:
        """Whether the account has a breakdown by template."""
        return self._round is not None

    @property
    def left_out(self) -> int:
        """How many items of the vendor's list cannot be used."""
        return len(self._discovery.left_out) if self._discovery else 0

    async def read_list(self, window: Window, until: float) -> None:
        """The vendor's templates, as far as the request limit and the time `until` allow."""
        discovery = self._discovery
        if discovery is None or not self._health.due("templates", window.month):
            return
        try:
            read = await discovery.read(until)
        except UpstreamError as error:
            self._health.failed("templates", error)
            return
        finally:
            listed = (entry.template.id for entry in self.book)
            self._ledger.meet(listed, more=not discovery.ended)
        self.cut_short |= discovery.unfinished
        if read and not discovery.too_large:
            self._health.succeeded("templates", window.month)
            if left_out := discovery.left_out:
                message = f"{len(left_out)} left out that cannot be used: {left_out[0]}"
                self._health.failed("templates", AnswerError(message))

    async def ask(
        self,
        totals: Readings | None,
        window: Window,
        listing: asyncio.Task[None],
        *,
        list_until: float,
        soft_deadline: float,
    ) -> None:
        """The round over the templates, once `listing` has ended or at `list_until`.

        `totals` is the account's own answer for the same window, None if there is none. After
        `soft_deadline` no further template is asked. Both are times of the clock.
        """
        if self._round is None:
            return
        await asyncio.wait([listing], timeout=list_until - self._clock())
        asking = self._ask(self._round, totals, window, soft_deadline)
        await self._health.contain("template_summary", asking)

    async def _ask(
        self, templates: Round, totals: Readings | None, window: Window, soft_deadline: float
    ) -> None:
        if totals is None:
            self._go_without()
            return
        budget = self._budget
        budget.polled(self._clock())
        result = await templates.run(
            totals,
            window,
            self.book.compulsory(
                window,
                self._clock(),
                self._account.poll_interval,
                budget.pace,
                owed=self._ledger.owed(),
            ),
            lambda: self._may_ask(budget.reserve, soft_deadline),
        )
        self._observer.corrected(result.corrections)
        self._observer.skipped(result.skipped)
        self.cut_short |= result.cut_short
        for error in result.errors:
            self._health.count("template_summary", error)
        failure = result.ended or result.overrun or self.book.failure()
        if result.answered or failure is None:
            self._health.succeeded("template_summary", window.month)
        if failure is not None:
            self._health.failed("template_summary", failure, counted=True)

    def _go_without(self) -> None:
        """Asks no template, for they could not be compared with their account."""
        missing = self._health[self._endpoints[0].name].error
        # Until the vendor resets, all counters stay at 0.
        kept = self.book if isinstance(missing, NotResetError) else ()
        self.book.vouch(self._clock(), {entry.template.id for entry in kept})
        reason = missing.reason if missing else Reason.CONNECT
        error = UpstreamError(reason, "not asked, for the account's own totals are missing")
        self._health["template_summary"].failed(error, self._clock())

    async def _may_ask(self, reserve: int, soft_deadline: float) -> bool:
        """Whether a template may be asked, after a short wait for the request limit if need be.

        What the poll before this one took comes back moments after this one begins.
        """
        while (wait := self._limiter.wait(reserve)) > 0:
            if wait > _LONGEST_WAIT or self._clock() + wait >= soft_deadline:
                return False
            await asyncio.sleep(wait)
        return self._clock() < soft_deadline
