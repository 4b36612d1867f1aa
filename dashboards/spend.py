"""Sandbox spend: where the month is going, and what makes it go there."""

from __future__ import annotations

from grafana_foundation_sdk.builders import bargauge, stat, table
from grafana_foundation_sdk.builders import timeseries as time_series

from alerting.ranges import within
from dashboards import frame, promql
from dashboards.frame import Page, Section
from dashboards.names import source
from dashboards.panels import (
    BINARY_BYTES,
    ORANGE,
    PERCENT,
    RED,
    USD,
    About,
    Column,
    Query,
    bars,
    card,
    gauges,
    lines,
    rows,
)
from dashboards.quantities import COST, VCPU

_COST = "sandbox_account_cost_usd_total"
_MONTH = "sandbox_account_month_cost_usd"
_BUDGET = "sandbox_account_budget_usd"
_BILLED = "sandbox_account_billed_cost_usd"
_USED, _FREE = "sandbox_account_storage_used_bytes", "sandbox_account_storage_free_bytes"
_NO_BUDGET = "no budget"
_OVER = ((0.8, ORANGE), (1.0, RED))
_BASIS = "month to date + remaining days × mean daily cost of the last 7 days"
_DAYS_GONE = "(day_of_month() - 1 + time() % 86400 / 86400)"


def page() -> Page:
    """The dashboard."""
    return Page(
        uid="sandbox-spend",
        title="Sandbox spend",
        description="Cost against budget, the forecast for the month's end, and who causes it.",
        variables=frame.templates(),
        period="now-14d",
        sections=[
            Section("This month", [*_this_month(), _budgets(), _forecasts()]),
            Section("Pace", [*_changes(), _by_account(), _month_so_far()]),
            Section("Who", [_by_template(), _movers(), _price(), _storage()]),
        ],
    )


def _this_month() -> list[stat.Panel]:
    budget = f"sum({promql.of_accounts(_BUDGET)})"
    with_budget = f"sum({_month()} and {promql.of_accounts(_BUDGET)})"
    return [
        _money(
            "Month to date",
            "The vendor's figure for the calendar month in UTC, without paused storage.",
            COST.month_to_date(),
            COST.month_source,
        ),
        _money(
            "Budget", "Of all chosen accounts that have one.", budget, source(_BUDGET), _NO_BUDGET
        ),
        card(
            About(
                "Budget used",
                f"Month to date of the accounts with a budget.\n\n{source(_MONTH, _BUDGET)}",
                PERCENT,
                1,
                _OVER,
                width=4,
                height=4,
            ),
            Query(f"{with_budget} / {budget}", "used"),
            text=_NO_BUDGET,
        ),
        _money(
            "Forecast",
            f"Cost at the month's end (UTC). Basis: {_BASIS}.",
            f"sum({_forecast()})",
            source(_MONTH, _COST),
        ),
        _money(
            "Burn a day",
            "Mean daily cost of the last 7 days, or of as many as there are.",
            f"sum({_daily()})",
            source(_COST),
        ),
        _money(
            "Last month",
            "What the vendor's cost report states for the calendar month before this one.",
            f"sum({_billed('previous')})",
            source(_BILLED),
        ),
    ]


def _money(title: str, meaning: str, expr: str, origin: str, text: str = "") -> stat.Panel:
    about = About(title, f"{meaning}\n\n{origin}", USD, 2, width=4, height=4)
    return card(about, Query(expr, title), text=text)


def _month() -> str:
    return promql.of_accounts(_MONTH)


def _billed(month: str) -> str:
    return promql.of_accounts(_BILLED, matchers=f'{promql.ACCOUNTS}, month="{month}"')


def _daily() -> str:
    """USD a day of each account."""
    hourly = promql.of_accounts(_COST, promql.used("1h"))
    return f"24 * avg_over_time({within(hourly, '7d', '1h')})"


def _forecast() -> str:
    """USD of each account at the month's end."""
    remaining = f"scalar(days_in_month() - {_DAYS_GONE})"
    return f"{_month()} + {remaining} * {_daily()}"


def _budgets() -> bargauge.Panel:
    about = About(
        "Budget used by account",
        f"Month to date divided by the budget.\n\n{source(_MONTH, _BUDGET)}",
        PERCENT,
        1,
        _OVER,
        height=6,
    )
    used = f"{_month()} / {promql.of_accounts(_BUDGET)}"
    return gauges(about, Query(used, "{{account}}")).max(1).no_value(_NO_BUDGET)


def _forecasts() -> table.Panel:
    about = About(
        "Forecast and its basis",
        f"Forecast: {_BASIS}. Billed is the vendor's own cost report for the current month; where "
        "it differs from month to date, the vendor corrected one of them.\n\n"
        f"{source(_MONTH, _COST, _BILLED, _BUDGET)}",
        USD,
        2,
        height=6,
    )
    columns = [
        Column("Budget", promql.of_accounts(_BUDGET), USD, 0),
        Column("Month to date", _month(), USD, 2),
        Column("Billed", f"sum without (month) ({_billed('current')})", USD, 2),
        Column("A day", _daily(), USD, 2),
        Column("Forecast", _forecast(), USD, 2),
    ]
    return rows(about, {"account": "Account"}, columns)


def _changes() -> list[stat.Panel]:
    return [
        _change("Day on day", "The last 24 hours against the 24 before.", "1d"),
        _change("Week on week", "The last 7 days against the 7 before.", "7d"),
    ]


def _change(title: str, meaning: str, window: str) -> stat.Panel:
    about = About(
        title,
        f"{meaning} With templates chosen, theirs alone.\n\n{COST.source}",
        PERCENT,
        1,
        ((0.25, ORANGE), (0.5, RED)),
        width=4,
    )
    before = COST.total(window, ago=window)
    return card(about, Query(f"{COST.total(window)} / ({before} > 0) - 1", title))


def _by_account() -> time_series.Panel:
    about = About(
        "Cost by day and account",
        f"{COST.meaning} A bar is a day in the dashboard's time zone. With templates chosen, "
        f"theirs alone.\n\n{COST.source}",
        USD,
        2,
        width=8,
    )
    return bars(about, Query(COST.filtered(promql.used_by_bucket), "{{account}}", "1d"))


def _month_so_far() -> time_series.Panel:
    about = About(
        "Month to date against budget",
        "How the month's cost grew, and today's budget where there is one.\n\n"
        f"{source(_MONTH, _BUDGET)}",
        USD,
        0,
        width=8,
        period="now/M",
    )
    return lines(
        about,
        # In a month's first minutes the vendor is still asked for the month before.
        Query(f"{_month()} and on () (day_of_month() > 1 or hour() > 0)", "{{account}}", "10m"),
        Query(promql.of_accounts(_BUDGET, promql.at_the_end), "{{account}} budget", "10m"),
    )


def _by_template() -> time_series.Panel:
    about = About(
        "Cost by day and template",
        "The ten templates that cost most within the time range; `other` is the rest of the "
        f"account, whether templates explain it or not.\n\n{COST.source}",
        USD,
        2,
        legend_beside=True,
    )
    leading = promql.named(promql.leading(COST.counter, promql.used_by_bucket))
    rest = promql.other(COST.counter, promql.used_by_bucket)
    return bars(about, Query(leading, "{{name}}", "1d"), Query(rest, "other", "1d"))


def _movers() -> table.Panel:
    about = About(
        "Top movers",
        "The ten templates whose cost of the last 24 hours differs most from the 24 hours before."
        f"\n\n{COST.source}",
        USD,
        2,
    )
    name = f"sandbox_template_{COST.counter}"
    today = promql.of_templates(name, promql.used("1d"))
    before = promql.of_templates(name, promql.used("1d", "1d"))
    change = f"{today} - ({before} or {today} * 0)"
    most = f"and on ({promql.BY_TEMPLATE}) topk(10, abs({change}))"
    columns = [
        Column("Day before", promql.named(f"{before} {most}"), USD, 2),
        Column("Last 24 hours", promql.named(f"{today} {most}"), USD, 2),
        Column("Change", promql.named(f"({change}) {most}"), USD, 2),
    ]
    return rows(about, {"account": "Account", "name": "Template"}, columns)


def _price() -> time_series.Panel:
    about = About(
        "Cost per vCPU hour",
        "All cost divided by vCPU hours: it rises with memory and data transfer per vCPU, and with "
        f"the vendor's prices.\n\n{source(_COST, 'sandbox_account_vcpu_seconds_total')}",
        USD,
        3,
    )
    hours = VCPU.filtered(promql.used_by_bucket)
    price = f"({COST.filtered(promql.used_by_bucket)}) / ({hours} > 0)"
    return lines(about, Query(price, "{{account}}", "6h"))


def _storage() -> time_series.Panel:
    about = About(
        "Paused storage against the free allowance",
        "Disk that paused sandboxes hold, and today's allowance: used and left free together. "
        f"Where both lines meet, storage begins to cost.\n\n{source(_USED, _FREE)}",
        BINARY_BYTES,
    )
    used = promql.of_accounts(_USED, promql.mean_by_bucket)
    allowance = " + ".join(promql.of_accounts(name, promql.at_the_end) for name in (_USED, _FREE))
    return lines(
        about,
        Query(used, "{{account}} used", "1h"),
        Query(allowance, "{{account}} allowance", "1h"),
    )
