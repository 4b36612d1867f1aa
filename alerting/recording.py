"""What alerts and dashboards share, computed once.

A rate is shown only while its series is there, for the exporter takes stale ones away, and a range
would show them for hours after that.
"""

from __future__ import annotations

from alerting import names
from alerting.model import ACCOUNT, TEMPLATE, Group, Recording, duration
from alerting.ranges import Counters, within
from alerting.thresholds import Thresholds

_WEEKS = 4
"""Weeks back that the usual number of sandboxes is looked for, as far as Prometheus keeps them."""


def recording_groups(limits: Thresholds) -> tuple[Group, ...]:
    """All recording rules."""
    account = (*_month(), *_money(limits), *_forecast(), *_levels())
    return (
        Group("sandbox-accounts", limits.interval, account),
        Group("sandbox-templates", limits.template_interval, _templates()),
    )


def _month() -> tuple[Recording, ...]:
    return (
        Recording(
            names.ELAPSED,
            "(day_of_month() - 1) * 86400 + time() % 86400",
            "Seconds since the billing month (UTC) began.",
        ),
        Recording(
            names.REMAINING,
            f"days_in_month() * 86400 - {names.ELAPSED}",
            "Seconds until the billing month (UTC) ends.",
        ),
        Recording(
            names.AGE,
            f"time() - max by ({ACCOUNT})"
            ' (sandbox_last_success_timestamp_seconds{endpoint=~"summary|usage"})',
            "Seconds since an account's totals were last read.",
        ),
    )


def _money(limits: Thresholds) -> tuple[Recording, ...]:
    fresh = f"{names.AGE} < {limits.stale_age}"
    settled = f"{names.ELAPSED} >= {limits.month_turn}"
    cost = "sandbox_account_cost_usd_total"
    history = within(names.COST_HOUR, "12h", ago=duration(limits.rate_history))
    return (
        Recording(
            names.BUDGET,
            f"max by ({ACCOUNT}) (sandbox_account_budget_usd)",
            "Monthly budget in USD; missing where none is set.",
        ),
        Recording(
            names.MONTH_COST,
            f"max by ({ACCOUNT}) (sandbox_account_month_cost_usd)\n"
            f"and {fresh}\n"
            f"and on () {settled}",
            "Month to date in USD as the vendor reports it; missing while stale and while the"
            " month turns.",
        ),
        Recording(
            names.COST_HOUR,
            f"{Counters(cost, ACCOUNT, lasting=False).growth('1h')}\nand {fresh}",
            "Spend of the last hour in USD; missing while stale.",
        ),
        Recording(
            names.COST_DAY,
            f"{Counters(cost, ACCOUNT, lasting=False).growth('1d')}\nand {fresh}",
            "Spend of the last day in USD; missing while stale.",
        ),
        Recording(
            names.COST_HOUR_WEEK,
            f"avg_over_time({within(names.COST_HOUR, '7d')})",
            "Spend of an average hour of the last 7 days in USD; hours without data do not count.",
        ),
        Recording(
            names.USUAL_DAY,
            f"24 * {names.COST_HOUR_WEEK} offset 1d\nand last_over_time({history})",
            "Spend of an average day of the 7 days before the last, in USD.",
        ),
        Recording(
            names.BILLED,
            f'max by ({ACCOUNT}) (sandbox_account_billed_cost_usd{{month="current"}})\n'
            f"and on () {settled}",
            "Month to date in USD by the vendor's cost report; missing while the month turns.",
        ),
        Recording(
            names.UNEXPLAINED,
            f"min by ({ACCOUNT}) (\n"
            "  1 - sum without (template_id) (sandbox_template_month_cost_usd)\n"
            "    / (sandbox_account_month_cost_usd > 0)\n"
            ")",
            "Share of the month's cost that no template explains.",
        ),
    )


def _forecast() -> tuple[Recording, ...]:
    """Month to date plus what the rest of the month costs at the recent rate."""

    def forecast(name: str, per_second: str, window: str) -> Recording:
        return Recording(
            name,
            f"{names.MONTH_COST}\n+ {per_second} * on () group_left () {names.REMAINING}",
            f"Cost in USD at the month's end, if the rest goes on like the last {window}.",
        )

    return (
        forecast(names.FORECAST_DAY, f"({names.COST_DAY} / 86400)", "day"),
        forecast(names.FORECAST_WEEK, f"({names.COST_HOUR_WEEK} / 3600)", "7 days"),
    )


def _levels() -> tuple[Recording, ...]:
    running, paused = "sandbox_account_running_sandboxes", "sandbox_account_paused_storage_bytes"
    # The middle of the recorded hour lies exactly some weeks back.
    weeks = "\n  or ".join(
        f'label_replace({names.RUNNING_HOUR} offset {duration(week * 604800 - 1800)}, "week",'
        f' "{week}", "", "")'
        for week in range(1, _WEEKS + 1)
    )
    return (
        Recording(names.RUNNING, f"max by ({ACCOUNT}) ({running})", "Sandboxes that run now."),
        Recording(
            names.RUNNING_HOUR,
            f"max by ({ACCOUNT}) (avg_over_time({within(running, '1h')}) and {running})",
            "Sandboxes that ran on average in the last hour.",
        ),
        Recording(
            names.RUNNING_USUAL,
            f"quantile by ({ACCOUNT}) (0.5,\n  {weeks}\n)",
            f"Sandboxes that usually run at this hour: the median of the last {_WEEKS} weeks.",
        ),
        Recording(
            names.PAUSED_HOUR,
            f"max by ({ACCOUNT}) (avg_over_time({within(paused, '1h')}) and {paused})",
            "Paused storage in bytes on average in the last hour.",
        ),
        Recording(
            names.PAUSED_WEEK_AGO,
            f"{names.PAUSED_HOUR} offset 7d",
            "Paused storage in bytes a week ago.",
        ),
    )


def _templates() -> tuple[Recording, ...]:
    cost = "sandbox_template_cost_usd_total"
    return (
        # Most of thousands of templates are idle: a week of their zeros would take seconds to read.
        Recording(
            names.TEMPLATE_HOUR,
            f"{Counters(cost, TEMPLATE, lasting=False).growth('1h')}\n> 0",
            "Spend of the last hour in USD; missing while idle or stale.",
        ),
        Recording(
            names.TEMPLATE_USUAL,
            f"avg_over_time({within(names.TEMPLATE_HOUR, '7d', '1h', '6h')})",
            "Spend of an average hour with any, in the 7 days before the last six hours, in USD.",
        ),
    )
