"""What can go wrong, named once. A leaf: imports nothing of the package."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why an upstream call failed: the `reason` label of `sandbox_exporter_api_errors_total`."""

    AUTH = "auth"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    INVALID_REQUEST = "invalid_request"
    UPGRADE_REQUIRED = "upgrade_required"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONNECT = "connect"
    SCHEMA = "schema"
    TOO_LARGE = "too_large"


class UpstreamError(Exception):
    """An upstream call that failed for good, after its retries.

    The message is fit for a log line and the landing page: it never holds a header, a secret or
    a whole answer.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: int | None = None,
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        """Seconds that the vendor asked to wait, when it did."""


class AnswerError(UpstreamError):
    """An answer that is well-formed JSON, but not what the API promises."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.SCHEMA, message)


class NotResetError(AnswerError):
    """A total of a new month that goes on from the closed month's: the vendor resets late."""


class Problem(NamedTuple):
    """One mistake in a configuration: where it is, and what is wrong and allowed there."""

    path: str
    message: str
    place: str = ""
    """`file:line`, or the file alone; empty for what is in no file."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.place, self.path, self.message)))


class ConfigError(Exception):
    """A configuration that cannot be used; holds every mistake that was found in it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
