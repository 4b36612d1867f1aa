"""Texts with fields in braces, as templates of Prometheus or of Grafana."""

from __future__ import annotations

import re
from collections.abc import Callable

from alerting.links import dashboard_url, runbook_url
from alerting.model import Alert

_FIELD = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
_NUMBERS = {
    "usd": ('printf "%.2f"', " USD"),
    "bytes": ("humanize1024", "B"),
    "duration": ("humanizeDuration", ""),
    "percent": ("humanizePercentage", ""),
    "number": ("humanize", ""),
}
_TEMPLATE = "template"
"""The format of a fact of which the template counts, not the number."""
_Render = Callable[[Alert, str, str], str]
"""Alert, field and format to a template, without the unit."""


def prometheus_annotations(alert: Alert) -> dict[str, str]:
    """An alert's annotations as Prometheus expands them."""
    return _annotations(alert, _prometheus)


def grafana_annotations(alert: Alert) -> dict[str, str]:
    """An alert's annotations as Grafana expands them; each fact is a query of the rule."""
    return _annotations(alert, _grafana)


def _annotations(alert: Alert, render: _Render) -> dict[str, str]:
    def text(template: str) -> str:
        return _FIELD.sub(lambda match: _field(alert, match[1], match[2], render), template)

    return {
        "summary": text(alert.summary),
        "description": text(alert.description),
        "runbook_url": runbook_url(alert.name),
        "dashboard_url": dashboard_url(alert.dashboard, alert.labels),
    }


def _field(alert: Alert, name: str, kind: str | None, render: _Render) -> str:
    known = alert.labels if kind is None else ("value", *alert.facts)
    if name not in known:
        raise ValueError(f"{alert.name}: {name} is none of {', '.join(known)}")
    if kind is None:
        return f"{{{{ $labels.{name} }}}}"
    _, unit = _NUMBERS.get(kind, ("", ""))
    return render(alert, name, kind) + unit


def _prometheus(alert: Alert, name: str, kind: str) -> str:
    function, _ = _NUMBERS.get(kind, ("", ""))
    if name == "value":
        return f"{{{{ $value | {function} }}}}"
    metric = f"{alert.facts[name]}{{provider=%q,account=%q}}"
    query, shown = f"max({metric})", f"value | {function}"
    if kind == _TEMPLATE:
        query, shown = f"topk(1, max by (template_id) ({metric}))", 'label "template_id"'
    return (
        f"{{{{ with printf `{query}` $labels.provider $labels.account | query }}}}"
        f"{{{{ . | first | {shown} }}}}{{{{ else }}}}unknown{{{{ end }}}}"
    )


def _grafana(_alert: Alert, name: str, kind: str) -> str:
    if kind == _TEMPLATE:
        return f"{{{{ $values.{name}.Labels.template_id }}}}"
    reference = "A" if name == "value" else name
    return f"{{{{ $values.{reference}.Value | {_NUMBERS[kind][0]} }}}}"
