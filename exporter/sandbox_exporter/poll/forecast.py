"""How many upstream calls an account will cause, before any is made."""

from __future__ import annotations

from typing import NamedTuple

from sandbox_exporter.config.model import DISCOVER, Account
from sandbox_exporter.poll.templates import MAX_AGE
from sandbox_exporter.vendors.base import AtOnce, Provider

HOUR = 3600


class Forecast(NamedTuple):
    """Upstream calls in an hour without failures."""

    fixed: int
    """Of the account's own endpoints, and of one page of the template list."""
    least: int
    """With every template idle."""
    most: int
    """With every template in use, or as many as the request limit allows."""


def forecast(account: Account, provider: Provider) -> Forecast:
    """What one account costs; how many templates `discover` finds is not known beforehand."""
    polls = HOUR / account.poll_interval
    fixed = sum(
        endpoint.calls * (min(polls, HOUR / endpoint.every) if endpoint.every else polls)
        for endpoint in provider.endpoints
    )
    allowed = account.max_requests_per_minute * 60
    if provider.templates is None:
        return Forecast(int(fixed), int(fixed), int(fixed))
    if isinstance(provider.templates, AtOnce):
        fixed += polls * provider.templates.calls
        return Forecast(int(fixed), int(fixed), int(fixed))
    if account.templates == DISCOVER:
        fixed += polls
        return Forecast(int(fixed), int(fixed), max(int(fixed), allowed))
    count = len(account.templates)
    most = fixed + count * polls
    least = fixed + count * min(polls, HOUR / MAX_AGE)
    return Forecast(int(fixed), int(min(least, allowed)), int(min(most, allowed)))
