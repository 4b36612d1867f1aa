"""The account's own endpoints: each is asked when it is due, and the ledger takes its answer."""

from __future__ import annotations

from collections.abc import Callable

from sandbox_exporter.errors import NotResetError, Reason, UpstreamError
from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Readings
from sandbox_exporter.poll.health import AccountHealth
from sandbox_exporter.poll.observer import PollObserver
from sandbox_exporter.vendors.base import Endpoint, Provider

_REFUSED = frozenset({Reason.INVALID_REQUEST, Reason.NOT_FOUND})
"""Failures that are the request's own: it would fail again."""


class EndpointPoll:
    """Asks the account-level endpoints of one account."""

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        health: AccountHealth,
        observer: PollObserver,
        clock: Callable[[], float],
    ) -> None:
        self._totals = provider.endpoints[0]
        self._ledger = ledger
        self._health = health
        self._observer = observer
        self._clock = clock

    async def ask(self, endpoint: Endpoint, window: Window) -> Readings | None:
        """One endpoint's answer, recorded; None when it is not due or failed."""
        name = endpoint.name
        if not self._health.due(name, window.month):
            return None
        scope = ACCOUNT_SCOPE + name
        try:
            if endpoint is self._totals:
                await self._close_month(endpoint, scope)
            readings = await endpoint.fetch(window)
            fell = self._ledger.record(scope, window, readings, self._clock())
        except NotResetError as error:
            self._health.failed(name, error)
            self._health[name].keep(self._clock())  # at 0, until the vendor resets
            return None
        except UpstreamError as error:
            self._health.failed(name, error)
            return None
        self._observer.corrected(fell)
        self._health.succeeded(name, window.month)
        return readings

    async def _close_month(self, endpoint: Endpoint, scope: str) -> None:
        """Asks for the closed month first, where its final total is still to be known."""
        window = self._ledger.closing(scope)
        if window is None:
            return
        try:
            readings = await endpoint.fetch(window)
        except UpstreamError as error:
            if error.reason not in _REFUSED:
                raise
            readings = {}  # it will not be had later either
        self._ledger.close_month(scope, window, readings)
