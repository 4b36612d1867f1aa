"""Dreadnode's stand-in: organizations, the route of their usage, and the error envelope."""

from __future__ import annotations

import re
from functools import lru_cache

from sandbox_exporter.ledger.month import Month
from sandbox_exporter.simulator.history import History, total
from sandbox_exporter.simulator.stand_in import (
    Asked,
    Refused,
    SimulatedAccount,
    StandIn,
    VendorRoute,
)
from sandbox_exporter.simulator.templates import Template

OPENED_MS = 1_780_272_000_000
"""2026-06-01 UTC: the organization has no sessions from before."""

_PREFIX = "/api/v1/org/"
_TYPES = {
    400: "bad_request",
    401: "authentication_error",
    403: "permission_denied",
    404: "not_found",
    409: "conflict",
    422: "validation_error",
    426: "upgrade_required",
    429: "rate_limited",
    502: "bad_gateway",
    504: "gateway_timeout",
}
_NO_SLUG = {"loc": ["path", "org"], "msg": "must be a slug", "type": "string_pattern_mismatch"}
_TEMPLATES = (
    Template(id="attack", name="attack", sessions_per_day=45, mean_runtime=1500, peak_hour=15),
    Template(id="evaluate", name="evaluate", sessions_per_day=30, mean_runtime=700, peak_hour=10),
)


class Organization:
    """An organization's sessions: a pure function of seed, name and time, never falling."""

    def __init__(self, seed: int, account: str) -> None:
        self._histories = [
            History(f"{seed}/{account}", template, OPENED_MS) for template in _TEMPLATES
        ]
        # Months that are over never change, so a lifetime total costs one month's work.
        self._closed_month_ms = lru_cache(maxsize=None)(self._month_ms)

    def runtime_ms(self, start: int, end: int) -> int:
        """Exact runtime of [start, end), in ms; both are Unix ms."""
        return total(self._histories, start, end).runtime_ms

    def lifetime_ms(self, until: int) -> int:
        """Runtime since the organization was opened, in ms."""
        month, current = Month.at(OPENED_MS / 1000), Month.at(until / 1000)
        runtime = 0
        while month < current:
            runtime += self._closed_month_ms(month)
            month = month.next()
        return runtime + self.runtime_ms(current.start * 1000, max(until, current.start * 1000))

    def sessions(self, until: int) -> int:
        """Sessions begun since the organization was opened."""
        return sum(history.sessions(until) for history in self._histories)

    def ledger(self, start: int, end: int, _at: int) -> dict[str, object]:
        """Of a window, and from the beginning to the window's end; there are no levels."""
        return {
            "runtime_seconds": self.runtime_ms(start, end) / 1000,
            "sessions": self.sessions(end) - self.sessions(start),
            "total_runtime_seconds": self.lifetime_ms(end) / 1000,
            "sessions_count": self.sessions(end),
        }

    def _month_ms(self, month: Month) -> int:
        return self.runtime_ms(month.start * 1000, month.end * 1000)


def usage(organization: Organization, now_ms: int) -> object:
    """Whole seconds, of this UTC month and ever."""
    month_start = Month.at(now_ms / 1000).start * 1000
    return {
        "current_month_seconds": organization.runtime_ms(month_start, now_ms) // 1000,
        "sessions_count": organization.sessions(now_ms),
        "total_runtime_seconds": organization.lifetime_ms(now_ms) // 1000,
    }


def error(status: int, details: str, _request_id: str) -> dict[str, object]:
    """The envelope; `errors` is there only if there are any."""
    body: dict[str, object] = {
        "code": status,
        "detail": details,
        "type": _TYPES.get(status, "internal_error"),
    }
    return body | ({"errors": [_NO_SLUG]} if status == 422 else {})


def _usage(asked: Asked[Organization]) -> object:
    """403 for another's organization, 404 for nobody's."""
    organization = asked.request.path_params["org"]
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", organization):
        raise Refused(422, "Validation error")
    if organization not in {account.options["organization"] for account in asked.accounts}:
        raise Refused(404, "Organization not found")
    if organization != asked.account.options["organization"]:
        raise Refused(403, "Access forbidden")
    return usage(asked.world, asked.now_ms)


def _world(seed: int, account: SimulatedAccount, _templates: int) -> Organization:
    return Organization(seed, account.name)


STAND_IN = StandIn(
    provider="dreadnode",
    accounts=(
        SimulatedAccount("dreadnode", "research", "sim-research-key", {"organization": "acme"}),
    ),
    prefix=_PREFIX,
    routes=[VendorRoute(f"{_PREFIX}{{org}}/sandboxes/usage", lambda _: "usage", _usage)],
    world=_world,
    unauthorized="Authentication failed",
    error=error,
    totals=frozenset({"current_month_seconds", "total_runtime_seconds", "sessions_count"}),
)
