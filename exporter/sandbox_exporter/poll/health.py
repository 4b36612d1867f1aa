"""How each endpoint of an account fares: up, failing, stale, or not there at all."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TypeVar

from sandbox_exporter import tracing
from sandbox_exporter.errors import AnswerError, UpstreamError
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.poll.context import Timing
from sandbox_exporter.poll.failures import FailureLog
from sandbox_exporter.poll.observer import PollObserver
from sandbox_exporter.snapshot import EndpointHealth
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors.base import Provider

RETRY_UNSUPPORTED = 3600.0
"""Seconds after which an endpoint that the deployment lacked is tried again."""
_LACKING = frozenset({404, 405, 501})

T = TypeVar("T")
log = logging.getLogger("sandbox_exporter.poll")


class Health:
    """The state of one endpoint. Ages are monotonic seconds, times that are shown Unix seconds."""

    def __init__(
        self, name: str, *, every: float = 0.0, optional: bool = False, required: bool = False
    ) -> None:
        self.name = name
        self._required = required
        self.every = every
        self._optional = optional
        self._succeeded_at: float | None = None
        self._succeeded_wall: float | None = None
        self._month: Month | None = None
        self.error: UpstreamError | None = None
        """Why the last call failed; None when it did not."""
        self._unsupported_until: float | None = None

    def resume(self, before: Health) -> None:
        """Takes over how the endpoint fared until now."""
        self._succeeded_at, self._succeeded_wall = before._succeeded_at, before._succeeded_wall
        self._month, self.error = before._month, before.error
        self._unsupported_until = before._unsupported_until

    @property
    def unsupported(self) -> bool:
        """Whether the deployment lacks the endpoint."""
        return self._unsupported_until is not None

    @property
    def failing(self) -> bool:
        """Whether the last call failed."""
        return self.error is not None

    def due(self, clock: float, month: Month) -> bool:
        """Whether a poll should ask: the answer is old, of another month, failed or missing."""
        if self._unsupported_until is not None:
            return clock >= self._unsupported_until
        if self.failing or self._succeeded_at is None or month != self._month:
            return True
        return clock - self._succeeded_at >= self.every

    def succeeded(self, clock: float, wall: float, month: Month) -> None:
        """Notes an answer for a month."""
        self._succeeded_at, self._succeeded_wall, self._month = clock, wall, month
        self.error = None
        self._unsupported_until = None

    def failed(self, error: UpstreamError, clock: float) -> bool:
        """Notes a failure; False when it only says that the deployment lacks the endpoint."""
        lacking = self._optional and self._succeeded_at is None and error.status in _LACKING
        if lacking:
            self._unsupported_until = clock + RETRY_UNSUPPORTED
            self.error = None
        else:
            self._unsupported_until = None
            self.error = error
        return not lacking

    def keep(self, clock: float) -> None:
        """Notes that what is shown is still to be shown, though the call counts as failed."""
        self._succeeded_at = clock

    def fresh(self, clock: float, stale_after: float) -> bool:
        """Whether the last answer may be shown: it is the newest try, or young enough."""
        if self._succeeded_at is None:
            return False
        return not self.failing or clock - self._succeeded_at <= stale_after

    def published(self) -> EndpointHealth:
        """The state as it is published."""
        error = f"{self.error.reason}: {self.error.message}" if self.error else ""
        last = self._succeeded_wall
        return EndpointHealth(self.name, not self.failing, last, error, self._required)

    @property
    def tried(self) -> bool:
        """Whether there is anything to publish."""
        return not self.unsupported and (self.failing or self._succeeded_at is not None)


class AccountHealth:
    """The endpoints of one account by name, and what is counted and told of their failures."""

    def __init__(
        self,
        account: str,
        provider: Provider,
        faults: FaultLog,
        observer: PollObserver,
        timing: Timing,
    ) -> None:
        self.faults = faults
        self._account = account
        self._observer = observer
        self._timing = timing
        self._failures = FailureLog(account, provider.name)
        self._endpoints = {
            endpoint.name: Health(
                endpoint.name,
                every=endpoint.every,
                optional=endpoint.optional,
                required=not endpoint.optional,
            )
            for endpoint in provider.endpoints
        }

    def watch(self, name: str, *, optional: bool = False) -> None:
        """Adds an endpoint that is not one of the account's own."""
        self._endpoints[name] = Health(name, optional=optional)

    def __getitem__(self, name: str) -> Health:
        return self._endpoints[name]

    def resume(self, before: AccountHealth) -> None:
        """Takes over how the endpoints fared until now, and what was told of it."""
        for name, health in self._endpoints.items():
            if name in before._endpoints:
                health.resume(before._endpoints[name])
        self._failures = before._failures

    async def contain(self, name: str, call: Awaitable[T]) -> T | None:
        """What one endpoint's call gives; any fault becomes this endpoint's failure alone."""
        try:
            return await self.faults.contain(name, call)
        except UpstreamError as error:
            self[name].failed(error, self._timing.clock())
            self._observer.error(name, error.reason)
            return None

    def due(self, name: str, month: Month) -> bool:
        """Whether a poll should ask for `month`."""
        return self[name].due(self._timing.clock(), month)

    def succeeded(self, name: str, month: Month) -> None:
        """Notes an answer for a month."""
        self[name].succeeded(self._timing.clock(), self._timing.wall(), month)

    def failed(self, name: str, error: UpstreamError, *, counted: bool = False) -> None:
        """Notes a failure; `counted` says that `count` was told of it before."""
        if not counted:
            self.count(name, error)
        tracing.failed(name, error)
        health = self[name]
        known = health.unsupported
        if not health.failed(error, self._timing.clock()) and not known:
            log.info(
                "endpoint not supported by the deployment, tried again each hour",
                extra={"account": self._account, "endpoint": name},
            )

    def count(self, name: str, error: UpstreamError) -> None:
        """The client counts its own failures; a misfit answer shows only here."""
        if isinstance(error, AnswerError):
            self._observer.error(name, error.reason)

    def log_failures(self) -> None:
        """Has the log tell what fails at the end of a poll, and what is over."""
        failing = {h.name: h.error for h in self._endpoints.values() if h.error is not None}
        self._failures.polled(failing, self._timing.clock())

    def fresh(self, name: str) -> bool:
        """Whether what an endpoint last said may be shown."""
        return self[name].fresh(self._timing.clock(), self._timing.stale_after)

    def freshness(self, clock: float) -> tuple[bool, ...]:
        """The same of every endpoint, at one monotonic time."""
        stale_after = self._timing.stale_after
        return tuple(health.fresh(clock, stale_after) for health in self._endpoints.values())

    def published(self) -> tuple[EndpointHealth, ...]:
        """The endpoints that were tried, as they are published."""
        return tuple(health.published() for health in self._endpoints.values() if health.tried)
