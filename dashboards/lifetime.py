"""Runtime and sessions since an account began, as a section of the usage dashboard."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders import timeseries as time_series

from dashboards import promql
from dashboards.frame import Panels
from dashboards.names import source, told_by
from dashboards.panels import COUNT, SECONDS, About, Query, bars, card
from sandbox_exporter.model import Field

_CHOSEN = 'provider=~"$provider", account=~"$organization"'
_RUNTIME = "sandbox_account_runtime_seconds_total"
_SESSIONS = "sandbox_account_sessions_total"
_MONTH = "sandbox_account_month_runtime_seconds"
_NONE = f"No {told_by(Field.RUNTIME_SECONDS)} organization is among the chosen accounts."


def lifetime() -> Panels:
    """Lifetime, month, sessions and session length of `$organization`."""
    runtime, sessions = _now(_RUNTIME), _now(_SESSIONS)
    recent = f"({_used(_RUNTIME)}) / ({_used(_SESSIONS)} > 0)"
    return [
        _card("Runtime this month", "Calendar month to date.", _now(_MONTH), SECONDS, 1, _MONTH),
        _card("Runtime ever", "Since the organization began.", runtime, SECONDS, 1, _RUNTIME),
        _card("Sessions ever", "Since the organization began.", sessions, COUNT, 0, _SESSIONS),
        _card(
            "Session length",
            "Runtime divided by sessions, both within the dashboard's time range.",
            recent,
            SECONDS,
            1,
            _RUNTIME,
            _SESSIONS,
        ),
        _chart("Runtime", "Runtime of sessions", SECONDS, _RUNTIME),
        _chart("Sessions", "Sessions begun", COUNT, _SESSIONS),
    ]


def _now(name: str) -> str:
    return f"sum({promql.of_accounts(name, matchers=_CHOSEN)})"


def _used(name: str) -> str:
    return f"sum({promql.of_accounts(name, promql.used_in_range(), _CHOSEN)})"


def _card(title: str, meaning: str, expr: str, unit: str, digits: int, *metrics: str) -> stat.Panel:
    about = About(title, f"{meaning}\n\n{source(*metrics)}", unit, digits, width=6, height=4)
    return card(about, Query(expr, title))


def _chart(title: str, meaning: str, unit: str, name: str) -> time_series.Panel:
    about = About(title, f"{meaning} within each ${{bucket:text}}.\n\n{source(name)}", unit)
    expr = promql.of_accounts(name, promql.used_by_bucket, _CHOSEN)
    return bars(about, Query(expr, "{{account}}", "$bucket")).no_value(_NONE)
