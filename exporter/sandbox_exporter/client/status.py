"""What an HTTP status means, unless the vendor's error body says more."""

from __future__ import annotations

from typing import NamedTuple

from sandbox_exporter.errors import Reason

_REASONS = {
    401: Reason.AUTH,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    405: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    426: Reason.UPGRADE_REQUIRED,
    429: Reason.RATE_LIMITED,
    # A deployment that lacks the route; trying again cannot help.
    501: Reason.NOT_FOUND,
}
_RETRYABLE = frozenset({Reason.TIMEOUT, Reason.CONNECT, Reason.SERVER, Reason.RATE_LIMITED})


class Failure(NamedTuple):
    """What a vendor's error body says of a failed call."""

    reason: Reason
    detail: str
    """The vendor's words, as they are: the client makes them fit for a message."""


def classify(status: int) -> Reason:
    """The reason for a status outside 200..299."""
    if status in _REASONS:
        return _REASONS[status]
    if status >= 500:
        return Reason.SERVER
    return Reason.INVALID_REQUEST if status >= 400 else Reason.SCHEMA


def is_retryable(reason: Reason) -> bool:
    """Whether the same call can succeed a little later with nobody changing anything."""
    return reason in _RETRYABLE
