"""Where runbooks and dashboards are found. These two lines are all that a move needs changed."""

from __future__ import annotations

from collections.abc import Collection

RUNBOOK_BASE = "https://github.com/sandbox-usage-exporter/sandbox-usage-exporter/blob/main"
"""The repository's files on the web, without a slash at the end; a fork names its own."""
DASHBOARD_BASE = "http://localhost:3000"
"""The Grafana that has the dashboards, without a slash at the end."""

_VARIABLES = {"account": "account", "template_id": "template"}
"""Labels, and the dashboards' variables that choose by them."""

RUNBOOKS = "docs/runbooks"
"""The runbooks' folder in the repository; each page is named after its alert."""


def runbook_path(alert: str) -> str:
    """The runbook of an alert, from the repository's root."""
    return f"{RUNBOOKS}/{alert}.md"


def runbook_url(alert: str) -> str:
    """Where the runbook of an alert is read."""
    return f"{RUNBOOK_BASE}/{runbook_path(alert)}"


def dashboard_url(uid: str, labels: Collection[str]) -> str:
    """A dashboard's address; it opens on the alert's account and template, if it has them."""
    chosen = [
        f"var-{variable}={{{{ $labels.{label} | urlquery }}}}"
        for label, variable in _VARIABLES.items()
        if label in labels
    ]
    return f"{DASHBOARD_BASE}/d/{uid}" + ("?" + "&".join(chosen) if chosen else "")
