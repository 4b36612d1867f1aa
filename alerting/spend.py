"""Alerts on money, storage and what causes them. All are silent while their data is stale."""

from __future__ import annotations

from alerting import names
from alerting.model import ACCOUNT, Alert, Dashboard, Group, Severity, duration
from alerting.ranges import within
from alerting.thresholds import Thresholds


def spend_groups(limits: Thresholds) -> tuple[Group, ...]:
    """All alerts on usage."""
    account = (*_budget(limits), _rate(limits), _runaway(limits), *_storage(limits))
    return (
        Group("sandbox-spend", limits.interval, (*account, _mismatch(limits))),
        Group("sandbox-template-spend", limits.template_interval, (_surge(limits),)),
    )


def _read_all_hour(limits: Thresholds) -> str:
    """No outage within the hour: the usage that it held back would come in a single moment."""
    return f"and on ({ACCOUNT}) max_over_time({within(names.AGE, '1h')}) < {limits.stale_age}"


def _budget(limits: Thresholds) -> tuple[Alert, ...]:
    return (
        Alert(
            "SandboxBudgetForecastExceeded",
            Severity.TICKET,
            f"{names.FORECAST_WEEK} > {names.BUDGET}\n"
            f"and {names.FORECAST_DAY} > {names.BUDGET}\n"
            f"and on () {names.ELAPSED} >= {limits.forecast_quiet}",
            limits.forecast_hold,
            "Account {account} is heading over its monthly budget",
            "Account {account} ({provider}) has spent {spent|usd} this month and is forecast to"
            " reach {value|usd} by its end, at the rate of the last 7 days and of the last day"
            " alike. The budget is {budget|usd}. In the last hour template {top|template} cost"
            " most.",
            Dashboard.SPEND,
            {"budget": names.BUDGET, "spent": names.MONTH_COST, "top": names.TEMPLATE_HOUR},
        ),
        Alert(
            "SandboxBudgetExceeded",
            Severity.PAGE,
            f"{names.MONTH_COST} > {names.BUDGET}",
            limits.budget_hold,
            "Account {account} is over its monthly budget",
            "Account {account} ({provider}) has spent {value|usd} this month. The budget is"
            " {budget|usd}, and nothing stops the spending by itself. In the last hour template"
            " {top|template} cost most.",
            Dashboard.SPEND,
            {"budget": names.BUDGET, "top": names.TEMPLATE_HOUR},
        ),
    )


def _rate(limits: Thresholds) -> Alert:
    # The last hour counts too, so that the alert ends soon after its cause does.
    return Alert(
        "SandboxSpendRateHigh",
        Severity.TICKET,
        f"{names.COST_DAY} > {limits.rate_factor:g} * {names.USUAL_DAY}\n"
        f"and {names.COST_DAY} - {names.USUAL_DAY} > {limits.rate_least_usd:g}\n"
        f"and {names.COST_HOUR} > {names.USUAL_DAY} / 24\n{_read_all_hour(limits)}",
        limits.rate_hold,
        "Account {account} spends far more than usual",
        "Account {account} ({provider}) has spent {value|usd} in the last 24 hours, more than"
        f" {limits.rate_factor:g} times the {{usual|usd}} of an average day of the 7 days before."
        " The last hour cost {hour|usd}, most of all template {top|template}.",
        Dashboard.SPEND,
        {"usual": names.USUAL_DAY, "hour": names.COST_HOUR, "top": names.TEMPLATE_HOUR},
    )


def _surge(limits: Thresholds) -> Alert:
    # What the account's total does not show was not spent now: a template that was only just
    # found brings the whole month with it.
    return Alert(
        "SandboxTemplateSpendSurge",
        Severity.PAGE,
        "(\n"
        f"  {names.TEMPLATE_HOUR} > {limits.surge_least_usd:g}\n"
        f"  unless {names.TEMPLATE_HOUR} <= {limits.surge_factor:g} * {names.TEMPLATE_USUAL}\n"
        ")\n"
        f"and {limits.surge_explained:g} * {names.TEMPLATE_HOUR}"
        f" <= on ({ACCOUNT}) group_left () {names.COST_HOUR}\n{_read_all_hour(limits)}",
        limits.surge_hold,
        "Template {template_id} of account {account} spends far more than usual",
        "Template {template_id} of account {account} ({provider}) has spent {value|usd} in the"
        f" last hour. The limit is {limits.surge_factor:g} times an average active hour of the"
        f" 7 days before, and {limits.surge_least_usd:.2f} USD at least.",
        Dashboard.ONCALL,
        labels=("job", "provider", "account", "template_id"),
    )


def _runaway(limits: Thresholds) -> Alert:
    return Alert(
        "SandboxRunawaySandboxes",
        Severity.PAGE,
        f"{names.RUNNING} > {limits.runaway_factor:g} * {names.RUNNING_USUAL}\n"
        f"and {names.RUNNING} - {names.RUNNING_USUAL} > {limits.runaway_least}\n"
        f"and {names.AGE} < {limits.stale_age}",
        limits.runaway_hold,
        "Account {account} runs far more sandboxes than usual",
        "Account {account} ({provider}) runs {value|number} sandboxes, more than"
        f" {limits.runaway_factor:g} times the {{usual|number}} that are usual at this hour of"
        " the week. Most are of template {top|template}.",
        Dashboard.ONCALL,
        {"usual": names.RUNNING_USUAL, "top": "sandbox_template_running_sandboxes"},
    )


def _storage(limits: Thresholds) -> tuple[Alert, ...]:
    free, used = "sandbox_account_storage_free_bytes", "sandbox_account_storage_used_bytes"
    return (
        Alert(
            "SandboxFreeStorageLow",
            Severity.TICKET,
            f"max by ({ACCOUNT}) ({free})\n"
            f"< {limits.storage_left:g} * max by ({ACCOUNT}) ({free} + {used})\n"
            f"and {names.AGE} < {limits.stale_age}",
            limits.storage_hold,
            "Account {account} has nearly used up its free paused storage",
            "Account {account} ({provider}) holds {used|bytes} of paused storage and has"
            f" {{value|bytes}} free of charge left, less than {limits.storage_left:.0%} of the"
            " allowance. What goes beyond it is billed.",
            Dashboard.USAGE,
            {"used": used},
        ),
        Alert(
            "SandboxPausedStorageGrowing",
            Severity.INFO,
            f"{names.PAUSED_HOUR} > {limits.paused_factor:g} * {names.PAUSED_WEEK_AGO}\n"
            f"and {names.PAUSED_HOUR} - {names.PAUSED_WEEK_AGO} > {limits.paused_least_bytes}\n"
            f"and {names.PAUSED_HOUR} > {names.PAUSED_HOUR} offset 1d",
            limits.paused_hold,
            "Paused storage of account {account} keeps growing",
            "Account {account} ({provider}) holds {value|bytes} of paused storage, more than"
            f" {limits.paused_factor:g} times the {{before|bytes}} of a week ago, and more than"
            " yesterday.",
            Dashboard.USAGE,
            {"before": names.PAUSED_WEEK_AGO},
        ),
    )


def _mismatch(limits: Thresholds) -> Alert:
    share, least = f"{limits.mismatch_share:g}", f"{limits.mismatch_least_usd:g}"
    # The report may be a day behind, so it is too low only when it is below yesterday's total.
    earlier = f"{names.MONTH_COST} offset {duration(limits.mismatch_delay)}"
    return Alert(
        "SandboxBillingMismatch",
        Severity.TICKET,
        "(\n"
        f"  {names.BILLED} - {names.MONTH_COST} > {share} * {names.MONTH_COST}\n"
        f"  and {names.BILLED} - {names.MONTH_COST} > {least}\n"
        ")\n"
        "or (\n"
        f"  {names.BILLED} - {earlier} < -{share} * ({earlier})\n"
        f"  and {names.BILLED} - {earlier} < -{least}\n"
        f"  and {names.MONTH_COST}\n"
        f"  and on () {names.ELAPSED} > {limits.mismatch_delay + limits.month_turn}\n"
        ")",
        limits.mismatch_hold,
        "The vendor bills account {account} another amount than it meters",
        "For account {account} ({provider}) the vendor's cost report says {billed|usd} this month,"
        " the usage summary {spent|usd}: a difference of {value|usd}, more than"
        f" {limits.mismatch_share:.0%}, or than a delay of"
        f" {duration(limits.mismatch_delay)} explains.",
        Dashboard.SPEND,
        {"billed": names.BILLED, "spent": names.MONTH_COST},
    )
