"""Accounts as lines of the Prometheus text format 0.0.4 and of OpenMetrics 1.0.

The two differ in their headers and in the `_created` lines that OpenMetrics wants beside each
counter; a sample's own line is the same in both and made once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sandbox_exporter.catalogue import TEMPLATE_INFO, TEMPLATE_METRICS, Metric, UsageMetric
from sandbox_exporter.exposition.samples import (
    Rows,
    account_families,
    began,
    health_rows,
    value_of,
)
from sandbox_exporter.snapshot import AccountSnapshot

CHUNK = 2000
"""Samples that are rendered at one go, so that scrapes are served between two chunks."""

Line = tuple[str, float, float]
"""Labels without braces, value, and when the counter began (0: not known)."""
Family = tuple[Metric, Iterable[Line]]
_Accounts = Sequence[AccountSnapshot]


@dataclass(slots=True)
class Chunk:
    """A few thousand lines in both formats, which are one and the same text for most families."""

    text: str
    openmetrics: str
    samples: int


def families(accounts: _Accounts) -> Iterator[Family]:
    """Every family in its order, those without samples too."""
    labels = _Labels()
    for usage_family in account_families():
        yield usage_family[0].metric, _account_lines(usage_family, accounts)
    for entry in TEMPLATE_METRICS:
        yield entry.metric, _template_lines(entry, accounts, labels)
    yield TEMPLATE_INFO, _info_lines(accounts, labels)
    for metric, rows in health_rows(accounts):
        yield metric, _health_lines(metric, rows)


def header(metric: Metric, *, openmetrics: bool) -> str:
    """The HELP, TYPE and UNIT lines of a family."""
    name = metric.family if openmetrics else metric.name
    unit = f"# UNIT {name} {metric.unit}\n" if openmetrics and metric.unit else ""
    text = f"# HELP {name} {_escape_help(metric.help)}\n# TYPE {name} {metric.type}\n"
    return text + unit


def label_text(names: Iterable[str], values: Iterable[str]) -> str:
    """Labels as they stand between braces; values may hold anything."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def chunks(metric: Metric, lines: Iterable[Line]) -> Iterator[Chunk]:
    """The lines of a family without its header, so many at one go."""
    left = iter(lines)
    while chunk := _chunk(metric, islice(left, CHUNK)):
        yield chunk


def _chunk(metric: Metric, lines: Iterable[Line]) -> Chunk | None:
    """Lines of a family; None when there are none."""
    name = metric.name
    text: list[str] = []
    openmetrics = text
    for labels, value, created in lines:
        line = f"{name}{{{labels}}} {value!r}\n"
        text.append(line)
        if openmetrics is not text:
            openmetrics.append(line)
        elif created:
            openmetrics = list(text)
        if created:
            openmetrics.append(f"{metric.family}_created{{{labels}}} {created!r}\n")
    if not text:
        return None
    plain = "".join(text)
    return Chunk(plain, plain if openmetrics is text else "".join(openmetrics), len(text))


@dataclass(slots=True)
class _Labels:
    """The label text of each template, made once for all its families."""

    templates: dict[tuple[str, str], str] = field(default_factory=dict)

    def template(self, account: AccountSnapshot, template_id: str) -> str:
        key = (account.account, template_id)
        text = self.templates.get(key)
        if text is None:
            names = ("provider", "account", "template_id")
            text = label_text(names, (account.provider, account.account, template_id))
            self.templates[key] = text
        return text


def _account_lines(entries: list[UsageMetric], accounts: _Accounts) -> Iterator[Line]:
    for account in accounts:
        for entry in entries:
            names = ("provider", "account", *(name for name, _ in entry.fixed))
            fixed = (value for _, value in entry.fixed)
            value = value_of(entry, account.usage)
            if value is not None:
                labels = label_text(names, (account.provider, account.account, *fixed))
                yield labels, value, float(began(entry, account))


def _template_lines(entry: UsageMetric, accounts: _Accounts, labels: _Labels) -> Iterator[Line]:
    for account in accounts:
        created = float(began(entry, account))
        for template in account.templates:
            value = value_of(entry, template.usage)
            if value is not None:
                yield labels.template(account, template.template.id), value, created


def _info_lines(accounts: _Accounts, labels: _Labels) -> Iterator[Line]:
    for account in accounts:
        for entry in account.templates:
            template = entry.template
            more = label_text(
                ("name", "type", "version"), (template.name, template.type, template.version)
            )
            yield f"{labels.template(account, template.id)},{more}", 1.0, 0.0


def _health_lines(metric: Metric, rows: Rows) -> Iterator[Line]:
    return ((label_text(metric.labels, values), value, 0.0) for values, value in rows)


def _escape(value: str) -> str:
    if value.isalnum():
        return value
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
