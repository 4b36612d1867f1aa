"""A behaviour: one hostile way to answer a route, made from a seed and its number alone."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from urllib.parse import quote

from tests.campaign.wire import Wire, encode, whole

SUMMARY, TEMPLATE, STORAGE = "summary", "template_summary", "storage"
COSTS, PREVIOUS, TEMPLATES, USAGE = "costs", "costs_previous", "templates", "usage"
SEACLOUD_ROUTES = (SUMMARY, TEMPLATE, STORAGE, COSTS, PREVIOUS, TEMPLATES)
ROUTES = (*SEACLOUD_ROUTES, USAGE)
"""By the value of the label `endpoint`."""

_SUMMARY_FIELDS = (
    "vcpu_hours",
    "ram_gb_hours",
    "data_transfer_gb",
    "usage_costs_usd",
    "running_sandboxes",
    "storage_capacity_gb",
)
FIELDS: dict[str, tuple[str, ...]] = {
    SUMMARY: _SUMMARY_FIELDS,
    TEMPLATE: _SUMMARY_FIELDS,
    STORAGE: ("storage_mib", "free_storage_mib"),
    COSTS: ("current_value_usd",),
    PREVIOUS: ("current_value_usd",),
    USAGE: ("total_runtime_seconds", "sessions_count", "current_month_seconds"),
}
"""The numbers in each route's answer."""


class Outcome(StrEnum):
    """What the exporter must make of a behaviour."""

    REFUSED = "refused"
    """The endpoint's health is 0 with one of the reasons; its last values stay."""
    TAKEN = "taken"
    """What is given is shown, and the endpoint stays healthy."""
    EITHER = "either"
    """Both are sound; only what holds for all behaviours is asked."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a behaviour may know of the call that it answers."""

    route: str
    good: object
    """The JSON that an honest vendor would send."""
    target: str
    """Path and query as they were asked for."""
    secret: str
    """The account's key, to be echoed."""
    origin: str
    """Scheme, host and port of this server."""
    canary: str
    """The same of another server, which must never be called."""
    hop: int
    """Redirects that were followed to come here."""
    offset: int
    """Where a page of the listing begins."""

    @property
    def fields(self) -> dict[str, object]:
        """The honest answer of a route that has one object, as a copy."""
        return dict(self.good) if isinstance(self.good, dict) else {}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and the JSON that may be taken from it: None when nothing may be."""

    wire: Wire
    given: object = None


def refused(wire: Wire) -> Reply:
    """An answer from which nothing may be taken."""
    return Reply(wire)


def given(value: object) -> Reply:
    """A well-formed answer that may be taken as it is."""
    return Reply(whole(encode(value)), value)


Answer = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Draft:
    """A behaviour before it has a number."""

    detail: str
    answer: Answer
    outcome: Outcome = Outcome.REFUSED
    reasons: frozenset[str] = frozenset({"schema"})
    lasting: bool = False
    """Whether its effect outlasts the answer on purpose, as a `Retry-After` does."""


@dataclass(frozen=True, slots=True)
class Family:
    """Behaviours of one kind, for the routes where they make sense."""

    name: str
    draw: Callable[[Random, str], Draft]
    routes: tuple[str, ...] = ROUTES
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One hostile way to answer a route."""

    index: int
    route: str
    family: str
    draft: Draft = field(repr=False)
    every_template: bool
    """Whether all templates' summaries are answered so, not just one's."""

    def __str__(self) -> str:
        who = " (all templates)" if self.every_template else ""
        return f"#{self.index} {self.route}{who}: {self.family}: {self.draft.detail}"


SMALL_NUMBERS = (1, 2, 3, 7, 50)


def echoes(secret: str) -> dict[str, str]:
    """A secret in the forms in which a vendor's error may repeat it."""
    return {
        "plain": secret,
        "base64": base64.b64encode(secret.encode()).decode(),
        "percent": quote(secret, safe=""),
    }
