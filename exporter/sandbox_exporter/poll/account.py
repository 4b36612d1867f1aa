"""One account: what a poll asks, what it makes of the answers, and what is published of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

from sandbox_exporter import tracing
from sandbox_exporter.billing import MonthClose, Window
from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.config.model import DISCOVER, Account
from sandbox_exporter.errors import AnswerError, NotResetError, Reason, UpstreamError
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.poll.breakdown import Round, build_round
from sandbox_exporter.poll.budget import Budget
from sandbox_exporter.poll.discovery import SHARE, Discovery
from sandbox_exporter.poll.failures import FailureLog
from sandbox_exporter.poll.health import Health
from sandbox_exporter.poll.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.poll.observer import PollObserver
from sandbox_exporter.poll.templates import TemplateBook
from sandbox_exporter.snapshot import AccountSnapshot, TemplateUsage, Usage
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors.base import AtOnce, Breakdown, Endpoint, Provider, Remembering

LONGEST_POLL = 60.0
"""Seconds after which a poll ends at the latest, whatever its interval."""
_CALL_SHARE = 0.9
"""Share of a poll's time by which its last call ends, so that the next poll begins in time."""
_LISTING_WAIT = 0.5
"""Share of a poll's time for which the templates wait for their listing."""
_SWEEP_SHARE = 0.8
"""Share of a poll's time after which no further template is asked."""
_LONGEST_WAIT = 5.0
"""Seconds for which a sweep waits for the request limit rather than leave the rest for later."""
_REFUSED = frozenset({Reason.INVALID_REQUEST, Reason.NOT_FOUND})
"""Failures that are the request's own: it would fail again."""
_STEP = 1000
"""Templates whose published numbers are made at one go, so that scrapes are served in between."""

T = TypeVar("T")
log = logging.getLogger("sandbox_exporter.poll")


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks, and what depends on them."""

    close: MonthClose = field(default_factory=MonthClose)
    stale_after: float = 300.0
    """Seconds without a success after which a failing endpoint's numbers disappear."""
    wall: Callable[[], float] = time.time
    """Unix seconds; may be set back or forward at any time."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds, for ages and intervals."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The way to an account's vendor."""

    provider: Provider
    client: Client
    limiter: Limiter


class AccountPoller:
    """Polls one account and keeps what it said. Never runs two polls at once.

    `served` tells the monotonic time of the newest publication that a scrape was served.
    """

    def __init__(
        self,
        account: Account,
        upstream: Upstream,
        ledger: Ledger,
        timing: Timing,
        observer: PollObserver,
        served: Callable[[], float],
    ) -> None:
        self.account = account
        self.client = upstream.client
        self.provider = upstream.provider
        self.ledger = ledger
        ledger.metered = upstream.provider.endpoints[0].metered
        self._limiter = upstream.limiter
        self._close = timing.close
        self._stale_after = timing.stale_after
        self._observer = observer
        self.faults = FaultLog(self.client.mask, account=account.name)
        self._served = served
        self._wall = timing.wall
        self._clock = timing.clock
        self._health = {
            endpoint.name: Health(
                endpoint.name,
                every=endpoint.every,
                optional=endpoint.optional,
                required=not endpoint.optional,
            )
            for endpoint in self.provider.endpoints
        }
        self._totals_scope = ACCOUNT_SCOPE + self.provider.endpoints[0].name
        self.cut_short = False
        """Whether the last poll left templates for the next one that it should have asked."""
        self._tried = False
        self._failures = FailureLog(account.name, self.provider.name)
        self._window: Window | None = None
        self._book = TemplateBook(account.max_templates)
        self._budget = Budget(
            account.max_requests_per_minute,
            min(account.poll_interval, LONGEST_POLL),
            own_calls=sum(endpoint.calls for endpoint in self.provider.endpoints) + 1,
        )
        self._discovery: Discovery | None = None
        self._sweep: Round | None = None
        if self.provider.templates is not None:
            self._prepare_templates(self.provider.templates)

    def _prepare_templates(self, source: Breakdown) -> None:
        discovered = self.account.templates == DISCOVER
        if discovered and not isinstance(source, AtOnce):
            self._health["templates"] = Health("templates", optional=True)
            limit = self.account.max_requests_per_minute
            self._discovery = Discovery(source, self._book, limit, self._clock)
        elif not discovered:
            self._book.update([Template(name) for name in self.account.templates], self._clock())
            self.ledger.meet(self.account.templates)
        self._health["template_summary"] = Health("template_summary")
        self._sweep = build_round(
            source,
            self._book,
            self.ledger,
            chosen=None if discovered else self.account.templates,
            clock=self._clock,
            faults=self.faults,
        )

    def resume(self, before: AccountPoller) -> None:
        """Goes on from what another poller of the same vendor account knew of it.

        Its numbers then stay until they are stale, whether or not the next poll succeeds.
        """
        for name, health in self._health.items():
            if name in before._health:
                health.resume(before._health[name])
        chosen = None if self.account.templates == DISCOVER else set(self.account.templates)
        self._book.resume(before._book, chosen)
        self._failures = before._failures
        self._tried = before.tried
        if isinstance(self.provider, Remembering) and isinstance(before.provider, Remembering):
            self.provider.recall(before.provider.memory())

    @property
    def window(self) -> Window | None:
        """What the last poll asked for; None before the first."""
        return self._window

    @property
    def tried(self) -> bool:
        """Whether a first poll has ended, well or not."""
        return self._tried

    async def poll(self, publish: Callable[[], None] = lambda: None) -> None:
        """Asks everything that is due, for one and the same window.

        `publish` is called when the totals and templates are there while another endpoint is still
        awaited, so that one that hangs delays no other's numbers.
        """
        started = self._clock()
        self.cut_short = False
        seconds = min(self.account.poll_interval, LONGEST_POLL)
        self.client.begin(seconds * _CALL_SHARE)
        window = self._close.window(self._wall())
        if self._window is not None and self._window.month != window.month:
            self.ledger.prune({e.template.id for e in self._book}, self._window.month)
        self._window = window
        self.ledger.begin(self._wall())
        self.ledger.release(started, self._served())
        first, *others = self.provider.endpoints
        async with asyncio.TaskGroup() as asking:
            totals = asking.create_task(self._alone(first.name, self._ask(first, window)))
            rest = [
                asking.create_task(self._alone(endpoint.name, self._ask(endpoint, window)))
                for endpoint in others
            ]
            listing = asking.create_task(
                self._alone("templates", self._list(window, started + seconds * SHARE))
            )
            await asyncio.wait([totals])
            if self._sweep is not None:
                await asyncio.wait(
                    [listing], timeout=started + seconds * _LISTING_WAIT - self._clock()
                )
                soft_deadline = started + seconds * _SWEEP_SHARE
                sweep = self._ask_templates(self._sweep, totals.result(), window, soft_deadline)
                await self._alone("template_summary", sweep)
            await self._prepare()
            self._tried = True
            if not all(task.done() for task in (listing, *rest)):
                publish()
        failing = {h.name: h.error for h in self._health.values() if h.error is not None}
        self._failures.polled(failing, self._clock())
        self._observer.polled(self._clock() - started, self._wall())

    async def _alone(self, name: str, call: Awaitable[T]) -> T | None:
        """What one endpoint's call gives; any fault becomes this endpoint's failure alone."""
        try:
            return await self.faults.contain(name, call)
        except UpstreamError as error:
            self._health[name].failed(error, self._clock())
            self._observer.error(name, error.reason)
            return None

    async def _prepare(self) -> None:
        """Has the ledger make what `snapshot` will show, for that runs without giving way."""
        if not self._shows_templates():
            return  # nothing is shown, so nothing may be remembered as shown
        now = self._wall()
        for place, entry in enumerate(tuple(self._book), start=1):
            self.ledger.show(entry.template.id, now)
            if place % _STEP == 0:
                await asyncio.sleep(0)

    def fail(self, message: str) -> None:
        """Notes that a poll ended by a fault of the exporter's own."""
        first = self.provider.endpoints[0].name
        self._health[first].failed(UpstreamError(Reason.SCHEMA, message), self._clock())
        self._tried = True

    async def _ask(self, endpoint: Endpoint, window: Window) -> Readings | None:
        """One endpoint's answer, recorded; None when it is not due or failed."""
        health = self._health[endpoint.name]
        if not health.due(self._clock(), window.month):
            return None
        scope = ACCOUNT_SCOPE + endpoint.name
        try:
            if endpoint is self.provider.endpoints[0]:
                await self._close_month(endpoint, scope)
            readings = await endpoint.fetch(window)
            fell = self.ledger.record(scope, window, readings, self._clock())
        except NotResetError as error:
            self._failed(health, error)
            health.keep(self._clock())  # at 0, until the vendor resets
            return None
        except UpstreamError as error:
            self._failed(health, error)
            return None
        self._observer.corrected(fell)
        health.succeeded(self._clock(), self._wall(), window.month)
        return readings

    async def _close_month(self, endpoint: Endpoint, scope: str) -> None:
        """Asks for the closed month first, where its final total is still to be known."""
        window = self.ledger.closing(scope)
        if window is None:
            return
        try:
            readings = await endpoint.fetch(window)
        except UpstreamError as error:
            if error.reason not in _REFUSED:
                raise
            readings = {}  # it will not be had later either
        self.ledger.close_month(scope, window, readings)

    async def _list(self, window: Window, until: float) -> None:
        """The vendor's templates, as far as the request limit and the time `until` allow."""
        health, discovery = self._health.get("templates"), self._discovery
        if health is None or discovery is None or not health.due(self._clock(), window.month):
            return
        try:
            read = await discovery.read(until)
        except UpstreamError as error:
            self._failed(health, error)
            return
        finally:
            listed = (entry.template.id for entry in self._book)
            self.ledger.meet(listed, more=not discovery.ended)
        self.cut_short |= discovery.unfinished
        if read and not discovery.too_large:
            health.succeeded(self._clock(), self._wall(), window.month)
            if left_out := discovery.left_out:
                message = f"{len(left_out)} left out that cannot be used: {left_out[0]}"
                self._failed(health, AnswerError(message))

    async def _ask_templates(
        self, sweep: Round, totals: Readings | None, window: Window, soft_deadline: float
    ) -> None:
        health = self._health["template_summary"]
        if totals is None:
            missing = self._health[self.provider.endpoints[0].name].error
            # Until the vendor resets, all counters stay at 0.
            kept = self._book if isinstance(missing, NotResetError) else ()
            self._book.vouch(self._clock(), {entry.template.id for entry in kept})
            reason = missing.reason if missing else Reason.CONNECT
            message = "not asked, for the account's own totals are missing"
            health.failed(UpstreamError(reason, message), self._clock())
            return
        budget = self._budget
        budget.polled(self._clock())
        result = await sweep.run(
            totals,
            window,
            self._book.compulsory(
                window,
                self._clock(),
                self.account.poll_interval,
                budget.pace,
                owed=self.ledger.owed(),
            ),
            lambda: self._may_ask(budget.reserve, soft_deadline),
        )
        self._observer.corrected(result.corrections)
        self._observer.skipped(result.skipped)
        self.cut_short |= result.cut_short
        for error in result.errors:
            self._count(health, error)
        failure = result.ended or result.overrun or self._book.failure()
        if result.answered or failure is None:
            health.succeeded(self._clock(), self._wall(), window.month)
        if failure is not None:
            self._failed(health, failure, counted=True)

    async def _may_ask(self, reserve: int, soft_deadline: float) -> bool:
        """Whether a template may be asked, after a short wait for the request limit if need be.

        What the poll before this one took comes back moments after this one begins.
        """
        while (wait := self._limiter.wait(reserve)) > 0:
            if wait > _LONGEST_WAIT or self._clock() + wait >= soft_deadline:
                return False
            await asyncio.sleep(wait)
        return self._clock() < soft_deadline

    def _failed(self, health: Health, error: UpstreamError, *, counted: bool = False) -> None:
        if not counted:
            self._count(health, error)
        tracing.failed(health.name, error)
        known = health.unsupported
        if not health.failed(error, self._clock()) and not known:
            log.info(
                "endpoint not supported by the deployment, tried again each hour",
                extra={"account": self.account.name, "endpoint": health.name},
            )

    def _count(self, health: Health, error: UpstreamError) -> None:
        """The client counts its own failures; a misfit answer shows only here."""
        if isinstance(error, AnswerError):
            self._observer.error(health.name, error.reason)

    def moment(self) -> Hashable:
        """What of the published state changes by the clock alone: phase, month, what is stale."""
        now, clock = self._wall(), self._clock()
        fresh = tuple(health.fresh(clock, self._stale_after) for health in self._health.values())
        stale = self._book.stale(clock, self._stale_after)
        month = self.ledger.shown_month(now)
        return self._close.phase(now), month, self.ledger.turned(now), fresh, stale

    def snapshot(self) -> AccountSnapshot:
        """What is published of the account at this moment."""
        now = self._wall()
        return AccountSnapshot(
            provider=self.provider.name,
            account=self.account.name,
            tried=self._tried,
            endpoints=tuple(h.published() for h in self._health.values() if h.tried),
            created=self.ledger.shown_month(now, self._totals_scope).start,
            usage=self._account_usage(now),
            templates=self._template_usages(now),
            templates_known=len(self._book),
            templates_dropped=self._book.dropped,
            templates_invalid=len(self._discovery.left_out) if self._discovery else 0,
            budget_usd=self.account.budget_usd,
        )

    def _account_usage(self, now: float) -> Usage:
        counters: dict[Field, float] = {}
        readings: dict[Field, float] = {}
        for endpoint in self.provider.endpoints:
            if self._fresh(endpoint.name):
                usage = self.ledger.show(ACCOUNT_SCOPE + endpoint.name, now)
                counters.update(usage.counters)
                readings.update(usage.readings)
        return Usage(counters, readings)

    def _template_usages(self, now: float) -> tuple[TemplateUsage, ...]:
        if not self._shows_templates():
            return ()
        clock = self._clock()
        return tuple(
            TemplateUsage(entry.template, self.ledger.show(entry.template.id, now))
            for entry in self._book
            if entry.fresh(clock, self._stale_after)
        )

    def _shows_templates(self) -> bool:
        if self._sweep is None:
            return False
        return self._fresh(self.provider.endpoints[0].name)

    def _fresh(self, endpoint: str) -> bool:
        return self._health[endpoint].fresh(self._clock(), self._stale_after)
