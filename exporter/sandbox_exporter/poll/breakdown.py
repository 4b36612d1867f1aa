"""How a poll comes by the breakdown of an account, as its provider can tell it.

Template by template is `Sweep`; one answer that has them all, or what a provider meters by itself,
is `AtOnceRound`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Readings, Template
from sandbox_exporter.poll.explain import Residual, is_active
from sandbox_exporter.poll.sweep import Sweep, SweepResult
from sandbox_exporter.poll.templates import Entry, TemplateBook
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors.base import AtOnce, Breakdown, Rounding

_STEP = 500
"""Templates that are taken at one go, so that scrapes are served in between."""


class Round(Protocol):
    """A round over the templates of one account, repeated poll by poll."""

    async def run(
        self,
        account: Readings,
        window: Window,
        compulsory: list[Entry],
        may_ask: Callable[[], Awaitable[bool]],
    ) -> SweepResult:
        """Brings ledger and templates up to date, and tells what was done; never raises.

        `account` is the account's own answer for the same window, `compulsory` are the templates
        that are to be asked whatever it says. `may_ask` tells whether the request limit and the
        poll's time allow another call.
        """
        ...


def build_round(
    source: Breakdown,
    book: TemplateBook,
    ledger: Ledger,
    *,
    chosen: Sequence[str] | None,
    clock: Callable[[], float],
    faults: FaultLog,
) -> Round:
    """The round that fits a breakdown; `chosen` are the templates to be shown, None for all."""
    if isinstance(source, AtOnce):
        return AtOnceRound(source, book, ledger, chosen=chosen, clock=clock, faults=faults)
    discovered = chosen is None
    return Sweep(source, book, ledger, discovered=discovered, clock=clock, faults=faults)


class AtOnceRound:
    """One answer that holds the usage of all templates.

    A template that it leaves out has used nothing in the window, and has no sandboxes.
    """

    def __init__(
        self,
        source: AtOnce,
        book: TemplateBook,
        ledger: Ledger,
        *,
        chosen: Sequence[str] | None,
        clock: Callable[[], float],
        faults: FaultLog,
    ) -> None:
        self._source = source
        self._book = book
        self._ledger = ledger
        self._chosen = None if chosen is None else frozenset(chosen)
        self._clock = clock
        self._faults = faults
        self._poll = 0

    async def run(
        self,
        account: Readings,
        window: Window,
        _compulsory: list[Entry],
        may_ask: Callable[[], Awaitable[bool]],
    ) -> SweepResult:
        """See `Round`."""
        self._poll += 1
        result = SweepResult()
        try:
            if not await may_ask():
                result.cut_short = True
                raise UpstreamError(Reason.TIMEOUT, "not asked: no time or requests are left")
            await self._close_month()
            told = await self._fetch(window)
        except UpstreamError as error:
            result.ended = error
            self._book.vouch(self._clock(), set())
            return result
        self._book.update(list(told), self._clock())
        self._ledger.meet(template.id for template in told)
        residual = Residual(Rounding())
        residual.begin(account, window.month, dict)
        usages = {template.id: usage for template, usage in told.items()}
        for place, entry in enumerate(tuple(self._book), start=1):
            if place % _STEP == 0:
                await asyncio.sleep(0)
            self._take(entry, window, usages.get(entry.template.id), residual, result)
        if residual.overrun:
            result.overrun = AnswerError("templates add up to more than their account")
        self._book.vouch(self._clock(), {entry.template.id for entry in self._book})
        return result

    async def _fetch(self, window: Window) -> Mapping[Template, Readings]:
        told = await self._faults.contain("template_summary", self._source.fetch(window))
        if self._chosen is None:
            return told
        return {template: usage for template, usage in told.items() if template.id in self._chosen}

    async def _close_month(self) -> None:
        """Asks for the closed month first, where a template's final total is to be known."""
        closings = {
            entry.template.id: closing
            for entry in self._book
            if (closing := self._ledger.closing(entry.template.id)) is not None
        }
        if not closings:
            return
        told = await self._fetch(next(iter(closings.values())))
        usages = {template.id: usage for template, usage in told.items()}
        for template_id, closing in closings.items():
            self._ledger.close_month(template_id, closing, usages.get(template_id, {}))

    def _take(
        self,
        entry: Entry,
        window: Window,
        usage: Readings | None,
        residual: Residual,
        result: SweepResult,
    ) -> None:
        template_id, clock = entry.template.id, self._clock()
        before = self._ledger.latest(template_id, window.month)
        if usage is None:
            self._ledger.clear_levels(template_id)
        else:
            try:
                result.corrections += self._ledger.record(template_id, window, usage, clock)
            except UpstreamError as error:
                result.failed.append((entry, error))
                entry.failed(error, clock)
                return
            residual.take(template_id, {}, usage)
        after = self._ledger.latest(template_id, window.month)
        result.answered += 1
        active = is_active(before, after)
        self._book.answered(entry, poll=self._poll, window=window, active=active, clock=clock)
