"""The alerts as Grafana-managed rules, for those who run no Alertmanager.

They use the recording rules, which Prometheus still evaluates. Provisioning replaces `$NAME` in
most values, but not in annotations; so nothing else here has a `$`.
"""

from __future__ import annotations

from collections.abc import Iterable

from alerting.model import ACCOUNT, TEMPLATE, Alert, Group, duration
from alerting.text import grafana_annotations

DATASOURCE_UID = "prometheus"
"""The uid of the Prometheus data source in Grafana."""
PAUSED = True
"""Whether Grafana leaves the rules alone, as it should where Alertmanager is used."""
_EXPRESSION = "__expr__"
_CONDITION = "condition"
_LOOKBACK = 600
_BELOW_EVERYTHING = -1e15
"""Every result of an alert's query is a finding, whatever its value."""


def grafana_rules(groups: Iterable[Group]) -> dict[str, object]:
    """The provisioning document."""
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group.name,
                "folder": "Sandbox usage",
                "interval": duration(group.interval),
                "rules": [_rule(rule) for rule in group.rules if isinstance(rule, Alert)],
            }
            for group in groups
        ],
    }


def _rule(alert: Alert) -> dict[str, object]:
    facts = [_query(name, _fact(metric)) for name, metric in alert.facts.items()]
    # An unreachable Prometheus is told once, by the alert on the whole exporter.
    tells_errors = alert.labels == ("job",)
    return {
        "uid": alert.name.lower(),
        "title": alert.name,
        "condition": _CONDITION,
        "data": [_query("A", alert.expr), *facts, _threshold()],
        "noDataState": "OK",
        "execErrState": "Error" if tells_errors else "OK",
        "for": duration(alert.hold),
        "labels": {"severity": str(alert.severity)},
        "annotations": grafana_annotations(alert),
        "isPaused": PAUSED,
    }


def _fact(metric: str) -> str:
    """One number for each account; of template-level metrics the highest, with its template."""
    if "sandbox_template_" in metric:
        return f"topk by ({ACCOUNT}) (1, max by ({TEMPLATE}) ({metric}))"
    return f"max by ({ACCOUNT}) ({metric})"


def _query(ref: str, expr: str) -> dict[str, object]:
    return {
        "refId": ref,
        "relativeTimeRange": {"from": _LOOKBACK, "to": 0},
        "datasourceUid": DATASOURCE_UID,
        "model": {"refId": ref, "expr": expr, "instant": True, "range": False},
    }


def _threshold() -> dict[str, object]:
    return {
        "refId": _CONDITION,
        "datasourceUid": _EXPRESSION,
        "model": {
            "refId": _CONDITION,
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [_BELOW_EVERYTHING]}}],
        },
    }
