"""Rules as Prometheus reads them from its rule files, and as its operator does."""

from __future__ import annotations

from collections.abc import Iterable

from alerting.model import Alert, Group, Recording, duration
from alerting.text import prometheus_annotations


def rule_file(groups: Iterable[Group]) -> dict[str, object]:
    """The document of a rule file."""
    return {
        "groups": [
            {
                "name": group.name,
                "interval": duration(group.interval),
                "rules": [_rule(rule) for rule in group.rules],
            }
            for group in groups
        ]
    }


def operator_resource(groups: Iterable[Group]) -> dict[str, object]:
    """The same as a `PrometheusRule` of the Prometheus Operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "sandbox-usage-exporter",
            "labels": {"app.kubernetes.io/name": "sandbox-usage-exporter"},
        },
        "spec": rule_file(groups),
    }


def _rule(rule: Recording | Alert) -> dict[str, object]:
    if isinstance(rule, Recording):
        return {"record": rule.name, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        "for": duration(rule.hold),
        "labels": {"severity": str(rule.severity)},
        "annotations": prometheus_annotations(rule),
    }
