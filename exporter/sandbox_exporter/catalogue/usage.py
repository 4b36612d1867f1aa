"""Metrics of what vendors report, of accounts and of templates."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox_exporter.catalogue.metric import Metric, Show, Type, UsageMetric
from sandbox_exporter.model import Field

TEMPLATE_LABELS = ("provider", "account", "template_id")


@dataclass(frozen=True, slots=True)
class _Total:
    """A month total, from which four metrics are made."""

    stem: str
    unit: str
    field: Field
    noun: str


_TOTALS = (
    _Total(
        "vcpu_seconds",
        "seconds",
        Field.VCPU_SECONDS,
        "Reserved vCPU time of running sandboxes",
    ),
    _Total(
        "memory_byte_seconds",
        "byte_seconds",
        Field.MEMORY_BYTE_SECONDS,
        "Reserved memory times time of running sandboxes",
    ),
    _Total(
        "data_transfer_bytes",
        "bytes",
        Field.DATA_TRANSFER_BYTES,
        "Data transferred by sandboxes",
    ),
    _Total(
        "cost_usd",
        "usd",
        Field.COST_USD,
        "Cost of vCPU, memory and data transfer, without paused storage",
    ),
)
_LEVELS = (
    (
        "running_sandboxes",
        "",
        Field.RUNNING_SANDBOXES,
        "Sandboxes that run now",
    ),
    (
        "paused_storage_bytes",
        "bytes",
        Field.PAUSED_STORAGE_BYTES,
        "Disk held by paused sandboxes now",
    ),
)


def _usage(level: str, labels: tuple[str, ...], what: str) -> tuple[UsageMetric, ...]:
    """The metrics that accounts and templates have alike."""
    made: list[UsageMetric] = []
    for total in _TOTALS:
        counter = Metric(
            f"sandbox_{level}_{total.stem}_total",
            Type.COUNTER,
            f"{total.noun} {what}, since the billing month began (UTC); never falls within it.",
            unit=total.unit,
            labels=labels,
        )
        gauge = Metric(
            f"sandbox_{level}_month_{total.stem}",
            Type.GAUGE,
            f"{total.noun} {what}, month to date as the vendor reports it, even when it falls.",
            unit=total.unit,
            labels=labels,
        )
        made.append(UsageMetric(counter, total.field, Show.COUNTER))
        made.append(UsageMetric(gauge, total.field, Show.READING))
    for stem, unit, field, noun in _LEVELS:
        metric = Metric(
            f"sandbox_{level}_{stem}", Type.GAUGE, f"{noun}, {what}.", unit=unit, labels=labels
        )
        made.append(UsageMetric(metric, field, Show.READING))
    return tuple(made)


def _account_gauge(stem: str, field: Field, help_text: str, unit: str = "") -> UsageMetric:
    metric = Metric(f"sandbox_account_{stem}", Type.GAUGE, help_text, unit=unit)
    return UsageMetric(metric, field, Show.READING)


_BILLED = Metric(
    "sandbox_account_billed_cost_usd",
    Type.GAUGE,
    "Cost of a calendar month (UTC) as the vendor's cost report states it.",
    unit="usd",
    labels=("provider", "account", "month"),
)

ACCOUNT_METRICS: tuple[UsageMetric, ...] = (
    *_usage("account", ("provider", "account"), "of the whole account"),
    _account_gauge(
        "storage_used_bytes",
        Field.STORAGE_USED_BYTES,
        "Paused storage that the account holds now, by the realtime storage report.",
        "bytes",
    ),
    _account_gauge(
        "storage_free_bytes",
        Field.STORAGE_FREE_BYTES,
        "What is left of the account's free paused storage.",
        "bytes",
    ),
    UsageMetric(_BILLED, Field.BILLED_COST_CURRENT_USD, Show.READING, (("month", "current"),)),
    UsageMetric(_BILLED, Field.BILLED_COST_PREVIOUS_USD, Show.READING, (("month", "previous"),)),
    UsageMetric(
        Metric(
            "sandbox_account_runtime_seconds_total",
            Type.COUNTER,
            "Runtime of all sandbox sessions since the account began.",
            unit="seconds",
        ),
        Field.RUNTIME_SECONDS,
        Show.COUNTER,
    ),
    UsageMetric(
        Metric(
            "sandbox_account_sessions_total",
            Type.COUNTER,
            "Sandbox sessions since the account began.",
        ),
        Field.SESSIONS,
        Show.COUNTER,
    ),
    _account_gauge(
        "month_runtime_seconds",
        Field.MONTH_RUNTIME_SECONDS,
        "Runtime of sandbox sessions, calendar month to date as the vendor reports it.",
        "seconds",
    ),
)
"""Usage of accounts, in the order in which it is exposed; a family's metrics stand together."""

TEMPLATE_METRICS: tuple[UsageMetric, ...] = _usage("template", TEMPLATE_LABELS, "of one template")
"""Usage of templates: the breakdown of the account metrics of the same stems."""
