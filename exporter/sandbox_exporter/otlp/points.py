"""The snapshot as OTLP data points, with the catalogue's labels as attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from opentelemetry.sdk.metrics.export import NumberDataPoint

from sandbox_exporter.catalogue import TEMPLATE_INFO, TEMPLATE_METRICS, UsageMetric
from sandbox_exporter.exposition.samples import account_families, began, health_rows, value_of
from sandbox_exporter.otlp.instruments import Instrument, instrument
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot

NANO = 10**9
_TemplateAttributes = list[list[dict[str, str]]]
"""For each account, and in it for each template."""


class Family(NamedTuple):
    """One instrument and its points, which are made when they are asked for."""

    instrument: Instrument
    points: Iterator[Any]
    """`HistogramDataPoint`s of a histogram, else `NumberDataPoint`s."""


def usage_families(snapshot: Snapshot, now: int) -> Iterator[Family]:
    """Every family of the snapshot; `now` is the points' time in Unix nanoseconds.

    A stale account has no usage in the snapshot, so it has no points either. A sum starts with its
    billing month; a start of 0 means that it is not known.
    """
    for entries in account_families():
        yield Family(instrument(entries[0].metric), _account_points(entries, snapshot, now))
    templates: _TemplateAttributes = [
        [{**_of(account), "template_id": entry.template.id} for entry in account.templates]
        for account in snapshot.accounts
    ]
    for entry in TEMPLATE_METRICS:
        yield Family(instrument(entry.metric), _template_points(entry, snapshot, templates, now))
    yield Family(instrument(TEMPLATE_INFO), _info_points(snapshot, templates, now))
    for metric, rows in health_rows(snapshot.accounts):
        points = [
            NumberDataPoint(dict(zip(metric.labels, values, strict=True)), 0, now, value)
            for values, value in rows
        ]
        yield Family(instrument(metric), iter(points))


def _of(account: AccountSnapshot) -> dict[str, str]:
    return {"provider": account.provider, "account": account.account}


def _account_points(
    entries: list[UsageMetric], snapshot: Snapshot, now: int
) -> Iterator[NumberDataPoint]:
    for account in snapshot.accounts:
        for entry in entries:
            value = value_of(entry, account.usage)
            if value is not None:
                attributes = {**_of(account), **dict(entry.fixed)}
                yield NumberDataPoint(attributes, began(entry, account) * NANO, now, value)


def _template_points(
    entry: UsageMetric, snapshot: Snapshot, attributes: _TemplateAttributes, now: int
) -> Iterator[NumberDataPoint]:
    for account, each in zip(snapshot.accounts, attributes, strict=True):
        start = began(entry, account) * NANO
        for template, labels in zip(account.templates, each, strict=True):
            value = value_of(entry, template.usage)
            if value is not None:
                yield NumberDataPoint(labels, start, now, value)


def _info_points(
    snapshot: Snapshot, attributes: _TemplateAttributes, now: int
) -> Iterator[NumberDataPoint]:
    for account, each in zip(snapshot.accounts, attributes, strict=True):
        for entry, labels in zip(account.templates, each, strict=True):
            template = entry.template
            more = {"name": template.name, "type": template.type, "version": template.version}
            yield NumberDataPoint({**labels, **more}, 0, now, 1.0)
