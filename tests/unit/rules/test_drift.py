"""Alerts, their tests, runbooks, dashboards and the metrics behind them belong together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerting.data import data_groups
from alerting.links import RUNBOOK_BASE
from alerting.model import Alert, Dashboard, Recording
from alerting.recording import recording_groups
from alerting.spend import spend_groups
from alerting.thresholds import Thresholds
from sandbox_exporter.catalogue import Type, catalogue

LIMITS = Thresholds()
GROUPS = (*recording_groups(LIMITS), *spend_groups(LIMITS), *data_groups(LIMITS))
ALERTS = {rule.name: rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert)}
RECORDINGS = {
    rule.name: rule for group in GROUPS for rule in group.rules if isinstance(rule, Recording)
}
PUBLIC = {
    "SandboxBudgetForecastExceeded",
    "SandboxBudgetExceeded",
    "SandboxSpendRateHigh",
    "SandboxTemplateSpendSurge",
    "SandboxFreeStorageLow",
    "SandboxPausedStorageGrowing",
    "SandboxRunawaySandboxes",
    "SandboxBillingMismatch",
    "SandboxExporterDown",
    "SandboxAccountDown",
    "SandboxCredentialsRejected",
    "SandboxUsageStale",
    "SandboxApiRateLimited",
    "SandboxApiSchemaChanged",
    "SandboxTemplatesDropped",
    "SandboxConfigReloadFailed",
}
"""The names that users rely on, in their routes and silences."""
FOREIGN = {"up", "process_start_time_seconds"}
"""Made by Prometheus or its client library."""
SECTIONS = [
    "What it means",
    "How to confirm",
    "Usual causes",
    "What to do",
    "How to silence",
]


def _cases(name: str) -> list[dict[str, Any]]:
    path = Path(__file__).with_name(f"{name}.yml")
    cases: list[dict[str, Any]] = yaml.safe_load(path.read_text())["tests"]
    return cases


def _queries(page: str) -> list[str]:
    return re.findall(r"```promql\n(.*?)\n```", page, re.DOTALL)


def test_the_public_names_stay() -> None:
    """Each alert that users know by name is there, and none beside them."""
    assert ALERTS.keys() == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_alert_is_tested_both_ways(name: str) -> None:
    """Its file has a moment at which it fires, with all texts, and one at which it does not."""
    checks = [
        check
        for case in _cases(name)
        for check in case["alert_rule_test"]
        if check["alertname"] == name
    ]
    fired = [alert for check in checks for alert in check.get("exp_alerts", [])]
    assert fired
    assert any(not check.get("exp_alerts") for check in checks)
    for alert in fired:
        assert alert["exp_labels"]["severity"] == ALERTS[name].severity
        assert alert["exp_annotations"].keys() == {
            "summary",
            "description",
            "runbook_url",
            "dashboard_url",
        }


def test_every_recording_rule_is_tested() -> None:
    """Each recording rule has a value in the tests, and a name of the usual form."""
    queries = " ".join(
        check["expr"] for case in _cases("recording") for check in case["promql_expr_test"]
    )
    for name in RECORDINGS:
        assert name in queries
        assert re.fullmatch(r"(month|account|template):sandbox_[a-z_]+:[a-z0-9_]+", name)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_alert_has_a_runbook(
    name: str, root: Path, tmp_path: Path, promtool: Callable[..., str]
) -> None:
    """The link of the alert is a page of the repository, whose queries Prometheus can read."""
    url = next(
        alert["exp_annotations"]["runbook_url"]
        for case in _cases(name)
        for check in case["alert_rule_test"]
        for alert in check.get("exp_alerts", [])
    )
    page = (root / url.removeprefix(f"{RUNBOOK_BASE}/")).read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS
    assert f"alertname={name}" in page
    rules = [
        {"record": f"query:{number}", "expr": query} for number, query in enumerate(_queries(page))
    ]
    assert rules
    (tmp_path / "queries.yml").write_text(
        yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]})
    )
    promtool("check", "rules", str(tmp_path / "queries.yml"))


def test_no_runbook_is_left_of_an_alert_that_is_gone(root: Path) -> None:
    """Each page belongs to an alert."""
    assert {page.stem for page in (root / "docs/runbooks").glob("*.md")} == PUBLIC


def test_rules_and_runbooks_use_only_metrics_that_exist(root: Path) -> None:
    """Every metric in an expression is in the catalogue, or recorded, or Prometheus' own."""
    known = {metric.name for metric in catalogue()} | RECORDINGS.keys() | FOREIGN
    known |= {
        f"{m.name}_{end}"
        for m in catalogue()
        for end in ("bucket", "sum", "count")
        if m.type is Type.HISTOGRAM
    }
    pages = [page.read_text() for page in sorted((root / "docs/runbooks").glob("*.md"))]
    expressions = [rule.expr for group in GROUPS for rule in group.rules]
    expressions += [query for page in pages for query in _queries(page)]
    expressions += [fact for alert in ALERTS.values() for fact in alert.facts.values()]
    for expression in expressions:
        plain = re.sub(r'"[^"]*"', "", expression)
        for name in re.findall(r"[a-z:_]*sandbox_\w+(?::\w+)?|\bup\b|\bprocess_\w+", plain):
            assert name in known, f"{name} in {expression}"


def test_dashboards_of_the_links_exist(root: Path) -> None:
    """Each uid that an alert links to is a dashboard's, with the variables that the link sets."""
    found = {}
    for path in sorted((root / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        found[dashboard["uid"]] = {v["name"] for v in dashboard["templating"]["list"]}
    assert set(Dashboard) == found.keys()
    for alert in ALERTS.values():
        if "account" in alert.labels:
            assert "account" in found[alert.dashboard]
        if "template_id" in alert.labels:
            assert "template" in found[alert.dashboard]


def test_the_overview_lists_every_alert(root: Path) -> None:
    """docs/alerts.md has a row for each alert, with its severity and runbook."""
    page = (root / "docs/alerts.md").read_text(encoding="utf-8")
    for alert in ALERTS.values():
        assert f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} |" in page
