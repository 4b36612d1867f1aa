"""Sandbox on-call: what is wrong, since when, and where to act."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table, text
from grafana_foundation_sdk.builders import statetimeline as state_timeline
from grafana_foundation_sdk.builders import timeseries as time_series
from grafana_foundation_sdk.models import dashboard as models

from alerting.links import RUNBOOK_BASE, RUNBOOKS, runbook_url
from alerting.ranges import events, within
from dashboards import frame, promql
from dashboards.frame import Page, Section
from dashboards.names import metric, source
from dashboards.panels import (
    COUNT,
    GREEN,
    ORANGE,
    RED,
    SECONDS,
    SINCE,
    USD,
    About,
    Column,
    Query,
    bars,
    card,
    lines,
    note,
    rows,
    states,
)
from dashboards.quantities import COST

_ALERT = 'alertname=~"Sandbox.*"'
_UP = "sandbox_up"
_LAST = "sandbox_last_success_timestamp_seconds"
_ERRORS = "sandbox_exporter_api_errors_total"
_RUNNING = "sandbox_account_running_sandboxes"
_BY_ENDPOINT = "provider, account, endpoint"
_NONE = "None failed."
_STALE = ((180.0, ORANGE), (300.0, RED))
_ANY = ((1.0, RED),)


def page() -> Page:
    """The dashboard."""
    return Page(
        uid="sandbox-oncall",
        title="Sandbox on-call",
        description="What is wrong with the sandboxes' usage data or spend, and since when.",
        variables=frame.templates(),
        period="now-24h",
        sections=[
            Section("Now", [*_counts(), _firing(), _actions()]),
            Section("Data", [_up_over_time(), _ages(), _errors()]),
            Section("Usage out of the ordinary", [_running(), _rising()]),
        ],
    )


def _counts() -> list[stat.Panel]:
    up = promql.of_accounts(_UP)
    totals = f'{metric(_LAST)}{{{promql.ACCOUNTS}, endpoint=~"summary|usage"}}'
    age = f"max(time() - max by ({promql.BY_ACCOUNT}) ({totals}))"
    failures = f"sum({events(_of(_ERRORS), 'account', '1h')})"
    return [
        _count(
            "Alerts firing",
            "Alerts of this exporter that Prometheus holds for true now; each is listed below.\n\n"
            "Source: `ALERTS`, which Prometheus makes from its rules.",
            f"count({_alerts('firing')}) or vector(0)",
            _ANY,
        ),
        _count(
            "Accounts down",
            f"The last poll of the account's own totals failed.\n\n{source(_UP)}",
            f"count({up} == 0) or vector(0)",
            _ANY,
        ),
        card(
            About(
                "Oldest data",
                "How long ago an account's totals were last read, the worst of all."
                f"\n\n{source(_LAST)}",
                SECONDS,
                0,
                _STALE,
                width=6,
                height=4,
            ),
            Query(age, "age"),
        ),
        _count(
            "Failed calls in 1 h",
            f"Upstream calls that failed, retries too.\n\n{source(_ERRORS)}",
            f"{failures} or vector(0)",
            ((1.0, ORANGE), (60.0, RED)),
        ),
    ]


def _count(
    title: str, description: str, expr: str, limits: tuple[tuple[float, str], ...]
) -> stat.Panel:
    about = About(title, description, COUNT, 0, limits, width=6, height=4)
    return card(about, Query(expr, title))


def _of(name: str) -> str:
    return f"{metric(name)}{{{promql.ACCOUNTS}}}"


def _alerts(state: str) -> str:
    """Alerts of chosen accounts, and those that concern no account."""
    chosen = f'{_ALERT}, provider=~"$provider|", account=~"$account|"'
    return f'{metric("ALERTS")}{{{chosen}, alertstate="{state}"}}'


def _firing() -> table.Panel:
    about = About(
        "Firing alerts",
        "What fires, and since when its condition holds. The alert's name leads to its runbook.\n\n"
        "Source: `ALERTS` and `ALERTS_FOR_STATE`, which Prometheus makes from its rules.",
        COUNT,
        width=16,
    )
    since = (
        f"{metric('ALERTS_FOR_STATE')}{{{_ALERT}}} and ignoring (alertstate) {_alerts('firing')}"
    )
    labels = {
        "alertname": "Alert",
        "severity": "Severity",
        "account": "Account",
        "template_id": "Template",
    }
    shown = rows(about, labels, [Column("Since", f"1000 * ({since})", SINCE)])
    runbook = {"title": "Runbook", "url": runbook_url("${__value.raw}"), "targetBlank": True}
    linked = [models.DynamicConfigValue("links", [runbook])]
    return shown.override_by_name("Alert", linked).no_value("Nothing fires.")


def _actions() -> text.Panel:
    kept = "${__url_time_range}&${__all_variables}"
    content = f"""\
1. An alert fires: follow its name to the runbook, or see [all runbooks]({RUNBOOK_BASE}/{RUNBOOKS}).
2. An account is down or its data old: the reason is below; calls and latency are on
   [Exporter health](/d/sandbox-exporter-health?{kept}).
3. Money goes faster than it should: [Sandbox spend](/d/sandbox-spend?{kept}) names the template,
   [Sandbox usage](/d/sandbox-usage?{kept}) shows what it did.
4. Known and accepted: the runbook says how to silence it for as long as the work takes.
"""
    meaning = "Where to go from here; the time range and the chosen accounts go along."
    return note("What to do", content, meaning, width=8)


def _up_over_time() -> state_timeline.Panel:
    about = About(
        "Accounts up",
        f"Whether the last poll of an account's own totals succeeded.\n\n{source(_UP)}",
        COUNT,
        height=6,
    )
    meanings = {"1": ("up", GREEN), "0": ("down", RED)}
    return states(about, Query(promql.of_accounts(_UP), "{{account}}"), meanings)


def _ages() -> time_series.Panel:
    about = About(
        "Age of data",
        "How long ago each endpoint last answered; the previous month's costs, which are asked "
        f"for less often, are left out.\n\n{source(_LAST)}",
        SECONDS,
        0,
        height=6,
        legend_beside=True,
    )
    often = f'{metric(_LAST)}{{{promql.ACCOUNTS}, endpoint!="costs_previous"}}'
    age = f"time() - max by ({_BY_ENDPOINT}) ({often})"
    return lines(about, Query(age, "{{account}} {{endpoint}}"))


def _errors() -> time_series.Panel:
    about = About(
        "Failed calls by reason",
        f"Upstream calls that failed, retries too, by endpoint and reason.\n\n{source(_ERRORS)}",
        COUNT,
        0,
        width=24,
        height=6,
    )
    failed = promql.counted_by_bucket(_of(_ERRORS), "account, endpoint, reason")
    return bars(about, Query(failed, "{{account}} {{endpoint}}: {{reason}}", "5m")).no_value(_NONE)


def _running() -> time_series.Panel:
    about = About(
        "Running sandboxes against the usual",
        "Sandboxes running now, and the median of the same hour of the week in the last four weeks."
        f"\n\n{source(_RUNNING)}",
        COUNT,
        0,
    )
    return lines(
        about,
        Query(promql.of_accounts(_RUNNING), "{{account}}"),
        Query(_usually_running(), "{{account}} usually", "15m"),
    )


def _usually_running() -> str:
    """Half an hour before and after the same time of the week, in each of four weeks."""
    weeks: list[str] = []
    for week in range(1, 5):
        ago = f"{week * 7 * 24 * 60 - 30}m"
        mean = f"avg_over_time({within(promql.of_accounts(_RUNNING), '1h', '1m', ago)})"
        weeks.append(f'label_replace({mean}, "week", "{week}", "", "")')
    return f"quantile by ({promql.BY_ACCOUNT}) (0.5, {' or '.join(weeks)})"


def _rising() -> table.Panel:
    about = About(
        "Templates whose cost rises",
        "The ten templates whose last hour cost most above their usual hour, the mean of the last "
        f"7 days.\n\n{COST.source}",
        USD,
        4,
    )
    name = f"sandbox_template_{COST.counter}"
    hour = promql.of_templates(name, promql.used("1h"))
    usual = f"avg_over_time({within(hour, '7d', '1h', '1h')})"
    rise = f"{hour} - ({usual} or {hour} * 0)"
    most = f"and on ({promql.BY_TEMPLATE}) topk(10, {rise} > 0)"
    columns = [
        Column("Usual hour", promql.named(f"{usual} {most}"), USD, 4),
        Column("Last hour", promql.named(f"{hour} {most}"), USD, 4),
        Column("Rise", promql.named(f"({rise}) {most}"), USD, 4),
    ]
    return rows(about, {"account": "Account", "name": "Template"}, columns)
