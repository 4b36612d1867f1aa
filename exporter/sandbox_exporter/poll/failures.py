"""What the log says of failures: when one begins, when its reason changes, and when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sandbox_exporter.errors import Reason, UpstreamError

REMINDER = 3600.0
"""Seconds after which a failure that lasts is told again."""
_UNSTEADY = 900.0
"""Seconds within which a failure that comes back is the same one, which has not ended."""

log = logging.getLogger("sandbox_exporter.poll")


@dataclass(slots=True)
class _Failure:
    """A failure of one endpoint that was told."""

    since: float
    told_at: float
    told: set[Reason] = field(default_factory=set)
    good_since: float | None = None
    """When it was over; None while it lasts."""
    ended: bool = False
    """Whether its end was told."""
    unsteady: bool = False
    """Whether it came back after its end was told."""


class FailureLog:
    """Tells the failures of one account's endpoints, few lines for each however long it lasts.

    Endpoints that begin to fail in one poll for one reason, such as a rejected key, share a line.
    """

    def __init__(self, account: str, provider: str) -> None:
        self._fields = {"account": account, "provider": provider}
        self._failures: dict[str, _Failure] = {}

    def polled(self, failing: Mapping[str, UpstreamError], clock: float) -> None:
        """Takes the endpoints that fail at the end of a poll (`clock` in monotonic seconds)."""
        begun: list[str] = []
        lasting: list[str] = []
        for endpoint, error in failing.items():
            failure = self._failures.get(endpoint)
            if failure is None:
                self._failures[endpoint] = _Failure(clock, clock, {error.reason})
                begun.append(endpoint)
            elif self._returned(failure) or error.reason not in failure.told:
                begun.append(endpoint)
                failure.told.add(error.reason)
                failure.told_at = clock
            elif clock - failure.told_at >= REMINDER:
                lasting.append(endpoint)
                failure.told, failure.told_at = {error.reason}, clock
        self._tell("poll failed", begun, failing)
        self._tell("poll still fails", lasting, failing)
        self._tell_ends([name for name in self._failures if name not in failing], clock)

    def _returned(self, failure: _Failure) -> bool:
        """Notes that an endpoint fails; True when its end was told before."""
        returned, failure.ended, failure.good_since = failure.ended, False, None
        failure.unsteady |= returned
        return returned

    def _tell(
        self, message: str, endpoints: Iterable[str], failing: Mapping[str, UpstreamError]
    ) -> None:
        by_reason: dict[Reason, list[str]] = {}
        for endpoint in endpoints:
            by_reason.setdefault(failing[endpoint].reason, []).append(endpoint)
        for reason, names in by_reason.items():
            error = failing[names[0]]
            log.warning(
                message,
                extra={
                    **self._fields,
                    "endpoint": ",".join(names),
                    "reason": str(reason),
                    "status": error.status,
                    "request_id": error.request_id,
                    "error": error.message,
                },
            )

    def _tell_ends(self, well: Iterable[str], clock: float) -> None:
        """Tells what is over: at once, or after a while where it seemed over before and was not."""
        ended: dict[float, list[str]] = {}
        for endpoint in well:
            failure = self._failures[endpoint]
            if failure.good_since is None:
                failure.good_since = clock
            quiet = clock - failure.good_since
            if not failure.ended and (not failure.unsteady or quiet >= _UNSTEADY):
                failure.ended = True
                ended.setdefault(failure.good_since - failure.since, []).append(endpoint)
            if quiet >= _UNSTEADY:
                del self._failures[endpoint]
        for seconds, names in ended.items():
            fields = {**self._fields, "endpoint": ",".join(names)}
            log.info("recovered after %s", _duration(seconds), extra=fields)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
