"""Every metric, named once: exposition, documentation and dashboards take the names from here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sandbox_exporter.model import Field


class Type(StrEnum):
    """Metric types of the exposition formats that this exporter uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Show(StrEnum):
    """Which of a quantity's two numbers a metric shows."""

    COUNTER = "counter"
    """The ledger's: never falls within a month."""
    READING = "reading"
    """The vendor's, as it is."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family."""

    name: str
    type: Type
    help: str
    """Meaning in one sentence."""
    source: str
    """Where the number comes from: an upstream field, the configuration or the exporter itself."""
    unit: str = ""
    """Base unit; a suffix of the name, `_total` aside. Empty for counts of things."""
    labels: tuple[str, ...] = ("provider", "account")

    @property
    def family(self) -> str:
        """The name of the family in OpenMetrics: without `_total`."""
        return self.name.removesuffix("_total") if self.type is Type.COUNTER else self.name


@dataclass(frozen=True, slots=True)
class UsageMetric:
    """A metric of a quantity in the snapshot, for an account or a template."""

    metric: Metric
    field: Field
    show: Show
    fixed: tuple[tuple[str, str], ...] = ()
    """Labels with one value for this quantity."""


_TEMPLATE = ("provider", "account", "template_id")


@dataclass(frozen=True, slots=True)
class _Total:
    """A month total, from which four metrics are made."""

    stem: str
    unit: str
    field: Field
    noun: str
    source: str


_TOTALS = (
    _Total(
        "vcpu_seconds",
        "seconds",
        Field.VCPU_SECONDS,
        "Reserved vCPU time of running sandboxes",
        "SeaCloud summary `vcpu_hours` × 3600",
    ),
    _Total(
        "memory_byte_seconds",
        "byte_seconds",
        Field.MEMORY_BYTE_SECONDS,
        "Reserved memory times time of running sandboxes",
        "SeaCloud summary `ram_gb_hours` × 2^30 × 3600",
    ),
    _Total(
        "data_transfer_bytes",
        "bytes",
        Field.DATA_TRANSFER_BYTES,
        "Data transferred by sandboxes",
        "SeaCloud summary `data_transfer_gb` × 10^9",
    ),
    _Total(
        "cost_usd",
        "usd",
        Field.COST_USD,
        "Cost of vCPU, memory and data transfer, without paused storage",
        "SeaCloud summary `usage_costs_usd`",
    ),
)
_LEVELS = (
    (
        "running_sandboxes",
        "",
        Field.RUNNING_SANDBOXES,
        "Sandboxes that run now",
        "SeaCloud summary `running_sandboxes`",
    ),
    (
        "paused_storage_bytes",
        "bytes",
        Field.PAUSED_STORAGE_BYTES,
        "Disk held by paused sandboxes now",
        "SeaCloud summary `storage_capacity_gb` × 2^30",
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
            total.source,
            total.unit,
            labels,
        )
        gauge = Metric(
            f"sandbox_{level}_month_{total.stem}",
            Type.GAUGE,
            f"{total.noun} {what}, month to date as the vendor reports it, even when it falls.",
            total.source,
            total.unit,
            labels,
        )
        made.append(UsageMetric(counter, total.field, Show.COUNTER))
        made.append(UsageMetric(gauge, total.field, Show.READING))
    for stem, unit, field, noun, source in _LEVELS:
        metric = Metric(
            f"sandbox_{level}_{stem}", Type.GAUGE, f"{noun}, {what}.", source, unit, labels
        )
        made.append(UsageMetric(metric, field, Show.READING))
    return tuple(made)


def _account_gauge(
    stem: str, field: Field, help_text: str, source: str, unit: str = ""
) -> UsageMetric:
    metric = Metric(f"sandbox_account_{stem}", Type.GAUGE, help_text, source, unit)
    return UsageMetric(metric, field, Show.READING)


_BILLED = Metric(
    "sandbox_account_billed_cost_usd",
    Type.GAUGE,
    "Cost of a calendar month (UTC) as the vendor's cost report states it.",
    "SeaCloud costs `current_value_usd`",
    "usd",
    ("provider", "account", "month"),
)

ACCOUNT_METRICS: tuple[UsageMetric, ...] = (
    *_usage("account", ("provider", "account"), "of the whole account"),
    _account_gauge(
        "storage_used_bytes",
        Field.STORAGE_USED_BYTES,
        "Paused storage that the account holds now, by the realtime storage report.",
        "SeaCloud storage/realtime `storage_mib` × 2^20",
        "bytes",
    ),
    _account_gauge(
        "storage_free_bytes",
        Field.STORAGE_FREE_BYTES,
        "What is left of the account's free paused storage.",
        "SeaCloud storage/realtime `free_storage_mib` × 2^20",
        "bytes",
    ),
    UsageMetric(_BILLED, Field.BILLED_COST_CURRENT_USD, Show.READING, (("month", "current"),)),
    UsageMetric(_BILLED, Field.BILLED_COST_PREVIOUS_USD, Show.READING, (("month", "previous"),)),
    UsageMetric(
        Metric(
            "sandbox_account_runtime_seconds_total",
            Type.COUNTER,
            "Runtime of all sandbox sessions since the account began.",
            "Dreadnode usage `total_runtime_seconds`",
            "seconds",
        ),
        Field.RUNTIME_SECONDS,
        Show.COUNTER,
    ),
    UsageMetric(
        Metric(
            "sandbox_account_sessions_total",
            Type.COUNTER,
            "Sandbox sessions since the account began.",
            "Dreadnode usage `sessions_count`",
        ),
        Field.SESSIONS,
        Show.COUNTER,
    ),
    _account_gauge(
        "month_runtime_seconds",
        Field.MONTH_RUNTIME_SECONDS,
        "Runtime of sandbox sessions, calendar month to date as the vendor reports it.",
        "Dreadnode usage `current_month_seconds`",
        "seconds",
    ),
)
"""Usage of accounts, in the order in which it is exposed; a family's metrics stand together."""

TEMPLATE_METRICS: tuple[UsageMetric, ...] = _usage("template", _TEMPLATE, "of one template")
"""Usage of templates: the breakdown of the account metrics of the same stems."""

BUDGET = Metric(
    "sandbox_account_budget_usd",
    Type.GAUGE,
    "Monthly budget of the account.",
    "configuration `budget_usd`",
    "usd",
)
TEMPLATE_INFO = Metric(
    "sandbox_template_info",
    Type.GAUGE,
    "What a template is called; always 1.",
    "SeaCloud templates `names`, `aliases`, `type`, `version`",
    labels=(*_TEMPLATE, "name", "type", "version"),
)
UP = Metric(
    "sandbox_up",
    Type.GAUGE,
    "1 when the last poll of the account's own totals succeeded; sandbox_endpoint_up has the rest.",
    "polls",
)
ENDPOINT_UP = Metric(
    "sandbox_endpoint_up",
    Type.GAUGE,
    "1 when the last call of the endpoint succeeded; missing where the deployment lacks it.",
    "polls",
    labels=("provider", "account", "endpoint"),
)
LAST_SUCCESS = Metric(
    "sandbox_last_success_timestamp_seconds",
    Type.GAUGE,
    "When the endpoint last answered, in Unix seconds.",
    "polls",
    "seconds",
    ("provider", "account", "endpoint"),
)
TEMPLATES = Metric(
    "sandbox_exporter_templates",
    Type.GAUGE,
    "Templates that are polled (known), and those beyond max_templates (dropped).",
    "polls",
    labels=("provider", "account", "state"),
)

API_REQUESTS = Metric(
    "sandbox_exporter_api_requests_total",
    Type.COUNTER,
    "Upstream calls, retries too; code is the HTTP status, or the reason when none came.",
    "HTTP client",
    labels=("provider", "account", "endpoint", "code"),
)
API_DURATION = Metric(
    "sandbox_exporter_api_request_duration_seconds",
    Type.HISTOGRAM,
    "Duration of upstream calls, retries too.",
    "HTTP client",
    "seconds",
    ("provider", "account", "endpoint"),
)
API_ERRORS = Metric(
    "sandbox_exporter_api_errors_total",
    Type.COUNTER,
    "Failed upstream calls, retries too, by reason.",
    "HTTP client",
    labels=("provider", "account", "endpoint", "reason"),
)
CORRECTIONS = Metric(
    "sandbox_exporter_corrections_total",
    Type.COUNTER,
    "Answers in which a vendor total had fallen within a month; counters hold meanwhile.",
    "ledger",
)
SKIPPED = Metric(
    "sandbox_exporter_template_calls_skipped_total",
    Type.COUNTER,
    "Template calls saved, for the account's totals proved the templates unchanged.",
    "polls",
)
POLL_DURATION = Metric(
    "sandbox_exporter_poll_duration_seconds",
    Type.GAUGE,
    "Duration of the account's last poll.",
    "polls",
    "seconds",
)
PUBLISH_DURATION = Metric(
    "sandbox_exporter_publish_duration_seconds",
    Type.GAUGE,
    "Duration of the last rendering of what scrapes are served.",
    "exposition",
    "seconds",
    (),
)
SERIES = Metric(
    "sandbox_exporter_published_samples",
    Type.GAUGE,
    "Samples in the last publication, the exporter's own metrics aside.",
    "exposition",
    labels=(),
)
RELOAD_OK = Metric(
    "sandbox_exporter_config_last_reload_successful",
    Type.GAUGE,
    "1 when the last attempt to load the configuration succeeded.",
    "configuration",
    labels=(),
)
RELOAD_TIME = Metric(
    "sandbox_exporter_config_last_reload_success_timestamp_seconds",
    Type.GAUGE,
    "When the configuration was last loaded, in Unix seconds.",
    "configuration",
    "seconds",
    (),
)
OTLP_EXPORTS = Metric(
    "sandbox_exporter_otlp_exports_total",
    Type.COUNTER,
    "Attempts to send a signal (metrics, traces) over OTLP, by result (success, failure).",
    "OTLP",
    labels=("signal", "result"),
)
BUILD_INFO = Metric(
    "sandbox_exporter_build_info",
    Type.GAUGE,
    "What runs; always 1.",
    "exporter",
    labels=("version", "python_version"),
)

HEALTH_METRICS = (BUDGET, TEMPLATE_INFO, UP, ENDPOINT_UP, LAST_SUCCESS, TEMPLATES)
SELF_METRICS = (
    API_REQUESTS,
    API_DURATION,
    API_ERRORS,
    CORRECTIONS,
    SKIPPED,
    POLL_DURATION,
    PUBLISH_DURATION,
    SERIES,
    RELOAD_OK,
    RELOAD_TIME,
    OTLP_EXPORTS,
    BUILD_INFO,
)


def catalogue() -> tuple[Metric, ...]:
    """Every metric family, once, in the order in which the documentation lists it."""
    usage = (entry.metric for entry in (*ACCOUNT_METRICS, *TEMPLATE_METRICS))
    return tuple(dict.fromkeys((*usage, *HEALTH_METRICS, *SELF_METRICS)))
