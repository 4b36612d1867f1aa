"""How each endpoint of an account fares: up, failing, stale, or not there at all."""

from __future__ import annotations

from sandbox_exporter.billing import Month
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.snapshot import EndpointHealth

RETRY_UNSUPPORTED = 3600.0
"""Seconds after which an endpoint that the deployment lacked is tried again."""
_LACKING = frozenset({404, 405, 501})


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
