"""Which samples a snapshot holds, whatever format they are written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sandbox_exporter.catalogue import (
    ACCOUNT_METRICS,
    BUDGET,
    ENDPOINT_UP,
    LAST_SUCCESS,
    TEMPLATES,
    UP,
    Metric,
    Show,
    Type,
    UsageMetric,
)
from sandbox_exporter.model import KINDS, Kind
from sandbox_exporter.snapshot import AccountSnapshot, Usage

Rows = Iterable[tuple[tuple[str, ...], float]]
"""Label values in the order of the metric's labels, and the value."""


def account_families() -> list[list[UsageMetric]]:
    """The account metrics, those that share a family (with other fixed labels) together."""
    families: dict[Metric, list[UsageMetric]] = {}
    for entry in ACCOUNT_METRICS:
        families.setdefault(entry.metric, []).append(entry)
    return list(families.values())


def value_of(entry: UsageMetric, usage: Usage) -> float | None:
    """A metric's value in an account's or a template's usage; None when there is none."""
    shown = usage.counters if entry.show is Show.COUNTER else usage.readings
    return shown.get(entry.field)


def began(entry: UsageMetric, account: AccountSnapshot) -> int:
    """When a counter started, in Unix seconds: with the month; 0 for what has no known start."""
    is_month = entry.metric.type is Type.COUNTER and KINDS[entry.field] is Kind.MONTH_TOTAL
    return account.created if is_month else 0


def health_rows(snapshots: Iterable[AccountSnapshot]) -> Iterator[tuple[Metric, Rows]]:
    """The metrics of accounts and their endpoints that are no usage."""
    accounts = [((a.provider, a.account), a) for a in snapshots]
    endpoints = [((*key, e.name), e) for key, a in accounts for e in a.endpoints]
    yield BUDGET, ((key, a.budget_usd) for key, a in accounts if a.budget_usd is not None)
    yield UP, ((key, float(a.up)) for key, a in accounts if a.tried)
    yield ENDPOINT_UP, ((key, float(e.up)) for key, e in endpoints)
    yield (
        LAST_SUCCESS,
        ((key, e.last_success) for key, e in endpoints if e.last_success is not None),
    )
    counts = (
        ((*key, state), float(count))
        for key, a in accounts
        for state, count in (
            ("known", a.templates_known),
            ("dropped", a.templates_dropped),
            ("invalid", a.templates_invalid),
        )
    )
    yield TEMPLATES, counts
