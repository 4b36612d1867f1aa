"""Sandbox usage: what the vendor console's usage page shows, and what it cannot."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.builders import timeseries as time_series

from alerting.ranges import within
from dashboards import frame, promql
from dashboards.frame import Page, Section
from dashboards.lifetime import lifetime
from dashboards.names import metric, source, told_by
from dashboards.panels import BINARY_BYTES, COUNT, About, Column, Query, bars, card, lines, rows
from dashboards.quantities import COST, MEMORY, TOTALS, TRANSFER, VCPU, Quantity
from sandbox_exporter.model import Field

_BUCKET = "$bucket"
_HOUR, _DAY = "1h", "1d"
_TODAY, _MONTH = "now/d", "now/M"
_RUNNING = "running_sandboxes"
_RUNNING_SOURCE = source(f"sandbox_account_{_RUNNING}", f"sandbox_template_{_RUNNING}")
_PAUSED = "paused_storage_bytes"
_PAUSED_SOURCE = source(f"sandbox_account_{_PAUSED}", f"sandbox_template_{_PAUSED}")
_USED, _FREE = "sandbox_account_storage_used_bytes", "sandbox_account_storage_free_bytes"
_STORAGE_SOURCE = source(_USED, _FREE, f"sandbox_template_{_PAUSED}")
_ALONE = "With templates chosen, theirs alone."


def page() -> Page:
    """The dashboard."""
    counted = f"{metric('sandbox_account_runtime_seconds_total')}{{{promql.ACCOUNTS}}}"
    return Page(
        uid="sandbox-usage",
        title="Sandbox usage",
        description="The vendor console's usage page, in your time zone and for any time range.",
        variables=[
            *frame.templates(),
            frame.bucket(),
            frame.hidden("organization", f"label_values({counted}, account)"),
        ],
        sections=[
            Section("Today", [*map(_today, TOTALS), _running_now(), _paused_now()]),
            Section("This month", [*map(_this_month, TOTALS), _running_peak(), _paused_peak()]),
            Section(
                "Trends by ${bucket:text}",
                [_trend(VCPU), _trend(MEMORY), _running_trend(), _trend(TRANSFER)],
            ),
            Section("Storage of paused sandboxes", [*_storage_now(), _storage_trend()]),
            Section("Cost by day of this month", [_cost_by_account(), _cost_by_template()]),
            Section("Templates", [_templates()]),
            Section(
                f"{told_by(Field.RUNTIME_SECONDS)}: $organization",
                lifetime(),
                repeat="organization",
            ),
        ],
    )


def _card(title: str, meaning: str, expr: str, unit: str, digits: int, period: str) -> stat.Panel:
    about = About(title, meaning, unit, digits, width=4, height=4, period=period)
    return card(about, Query(expr, title))


def _today(total: Quantity) -> stat.Panel:
    meaning = f"{total.meaning} Since midnight in the dashboard's time zone.\n\n{total.source}"
    return _card(total.title, meaning, total.total(), total.unit, total.decimals, _TODAY)


def _this_month(total: Quantity) -> stat.Panel:
    meaning = (
        f"{total.meaning} The vendor's own figure for the billing month, which is a calendar "
        f"month in UTC.\n\n{total.month_source}"
    )
    return _card(total.title, meaning, total.month_to_date(), total.unit, total.decimals, _MONTH)


def _running_now() -> stat.Panel:
    about = About(
        "Running now",
        f"Sandboxes that run at this moment, and since midnight.\n\n{_RUNNING_SOURCE}",
        COUNT,
        0,
        width=4,
        height=4,
        period=_TODAY,
    )
    return card(about, Query(f"sum({promql.filtered(_RUNNING)})", "running"), sparkline=True)


def _paused_now() -> stat.Panel:
    meaning = f"Disk that paused sandboxes hold at this moment.\n\n{_PAUSED_SOURCE}"
    now = f"sum({promql.filtered(_PAUSED)})"
    return _card("Paused now", meaning, now, BINARY_BYTES, 2, _TODAY)


def _running_peak() -> stat.Panel:
    meaning = f"The most sandboxes that ran at once, by the minute.\n\n{_RUNNING_SOURCE}"
    return _card("Most running", meaning, _peak(_RUNNING), COUNT, 0, _MONTH)


def _paused_peak() -> stat.Panel:
    meaning = f"The most disk held at once, by the minute.\n\n{_PAUSED_SOURCE}"
    return _card("Most paused", meaning, _peak(_PAUSED), BINARY_BYTES, 2, _MONTH)


def _peak(stem: str) -> str:
    return f"max_over_time({within(f'sum({promql.filtered(stem)})', promql.RANGE, '1m')})"


def _trend(total: Quantity) -> time_series.Panel:
    about = About(
        total.title,
        f"{total.meaning} A bar is what was used within its {{bucket}}; the last one is still "
        f"growing. {_ALONE}\n\n{total.source}".replace("{bucket}", "${bucket:text}"),
        total.unit,
    )
    expr = total.filtered(promql.used_by_bucket)
    return bars(about, Query(expr, "{{account}}", _BUCKET))


def _running_trend() -> time_series.Panel:
    about = About(
        "Running sandboxes",
        "Sandboxes running at once, on average within each ${bucket:text}, from the level at each "
        f"poll. {_ALONE}\n\n{_RUNNING_SOURCE}",
        COUNT,
    )
    expr = promql.filtered(_RUNNING, promql.mean_by_bucket)
    return bars(about, Query(expr, "{{account}}", _BUCKET), legend="mean")


def _storage_now() -> list[stat.Panel]:
    used = f"sum({_storage_used(promql.now)})"
    free = f"sum({promql.of_accounts(_FREE)})"
    return [
        _storage_card("Used", f"Disk that paused sandboxes hold. {_ALONE}", used),
        _storage_card("Left free", "What is left of the free storage.", free),
    ]


def _storage_card(title: str, meaning: str, expr: str) -> stat.Panel:
    about = About(title, f"{meaning}\n\n{_STORAGE_SOURCE}", BINARY_BYTES, 2, width=4)
    return card(about, Query(expr, title))


def _storage_used(over: promql.Over) -> str:
    return promql.filtered_pair(_USED, f"sandbox_template_{_PAUSED}", over)


def _storage_trend() -> time_series.Panel:
    about = About(
        "Storage over time",
        "Disk that paused sandboxes hold, and what is left of the account's free storage, on "
        f"average within each hour.\n\n{_STORAGE_SOURCE}",
        BINARY_BYTES,
        width=16,
    )
    free = promql.of_accounts(_FREE, promql.mean_by_bucket)
    return lines(
        about,
        Query(_storage_used(promql.mean_by_bucket), "{{account}} used", _HOUR),
        Query(free, "{{account}} free", _HOUR),
    )


def _cost_by_account() -> time_series.Panel:
    about = About(
        "Cost by day",
        f"{COST.meaning} A bar is a day in the dashboard's time zone. {_ALONE}\n\n{COST.source}",
        COST.unit,
        COST.decimals,
        period=_MONTH,
    )
    return bars(about, Query(COST.filtered(promql.used_by_bucket), "{{account}}", _DAY))


def _cost_by_template() -> time_series.Panel:
    about = About(
        "Cost by day and template",
        "The ten templates that cost most this month; `other` is the rest of the account, whether "
        f"templates explain it or not.\n\n{COST.source}",
        COST.unit,
        COST.decimals,
        legend_beside=True,
        period=_MONTH,
    )
    leading = promql.named(promql.leading(COST.counter, promql.used_by_bucket))
    rest = promql.other(COST.counter, promql.used_by_bucket)
    return bars(about, Query(leading, "{{name}}", _DAY), Query(rest, "other", _DAY))


def _templates() -> table.Panel:
    about = About(
        "Templates",
        "What each chosen template used within the dashboard's time range, and what it holds now."
        f"\n\n{COST.source} {_RUNNING_SOURCE} {_PAUSED_SOURCE}",
        COUNT,
        width=24,
        height=9,
    )
    running = promql.named(promql.of_templates(f"sandbox_template_{_RUNNING}"))
    paused = promql.named(promql.of_templates(f"sandbox_template_{_PAUSED}"))
    columns = [
        Column("Running now", running, COUNT),
        Column("Paused storage now", paused, BINARY_BYTES, 2),
        *(Column(total.title, total.by_template(), total.unit, 2) for total in TOTALS),
    ]
    return rows(about, {"account": "Account", "name": "Template"}, columns)
