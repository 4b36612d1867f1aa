"""What a rule is, whoever evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ACCOUNT = "job, provider, account"
"""Labels of account-level rules. Replicas share them, so that two exporters alert once."""
TEMPLATE = f"{ACCOUNT}, template_id"
"""Labels of template-level rules."""

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
GIB = 2**30


class Severity(StrEnum):
    """What an alert asks of whom it reaches."""

    PAGE = "page"
    """Somebody acts now, at night too."""
    TICKET = "ticket"
    """Somebody acts within days."""
    INFO = "info"
    """Worth knowing; nothing breaks if nobody acts."""


class Dashboard(StrEnum):
    """The uids of the project's dashboards."""

    USAGE = "sandbox-usage"
    SPEND = "sandbox-spend"
    ONCALL = "sandbox-oncall"
    EXPORTER = "sandbox-exporter-health"


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule, named `level:metric:operations`."""

    name: str
    expr: str
    meaning: str
    """One sentence, with the unit."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    `summary` and `description` are texts with fields in braces: `{label}` for a label, `{value}`
    for the expression's value, or the name of a fact, each with the format of a number after a
    bar: `usd`, `bytes`, `duration`, `percent` or `number`; no format is for labels, and `template`
    for the template with the highest number.
    """

    name: str
    severity: Severity
    expr: str
    hold: int
    """Seconds for which the expression must hold."""
    summary: str
    description: str
    dashboard: Dashboard
    facts: Mapping[str, str] = field(default_factory=dict)
    """Further fields of the texts: name to a metric or recording rule of the same account."""
    labels: tuple[str, ...] = ("job", "provider", "account")
    """Labels that the expression's results have."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after another."""

    name: str
    interval: int
    """Seconds between evaluations."""
    rules: tuple[Recording | Alert, ...]


def duration(seconds: int) -> str:
    """Seconds as PromQL writes them, in the largest unit that fits: 5400 is `90m`."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
