"""What all dashboards have in common: variables, links, time, refresh and numbered panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models

from dashboards import promql
from dashboards.names import metric
from dashboards.panels import DATASOURCE

TAG = "sandbox-exporter"
ALL = "$__all"

Panels = Sequence[Builder[models.Panel]]


@dataclass(frozen=True, slots=True)
class Section:
    """A row and its panels, from left to right and top to bottom."""

    title: str
    panels: Panels
    repeat: str = ""
    """The variable for each value of which the row is shown."""


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard, apart from what all have in common."""

    uid: str
    title: str
    description: str
    sections: Sequence[Section]
    variables: Sequence[Builder[models.VariableModel]]
    period: str = "now-7d"
    """How far back it looks when it is opened."""


def build(page: Page) -> models.Dashboard:
    """The dashboard as Grafana reads it."""
    made = (
        builders.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags([TAG])
        .timezone("browser")
        .refresh("1m")
        .time(page.period, "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(_to_the_others())
    )
    for variable in page.variables:
        made.with_variable(variable)
    for section in page.sections:
        row = builders.Row(section.title)
        made.with_row(row.repeat(section.repeat) if section.repeat else row)
        for panel in section.panels:
            made.with_panel(panel)
    dashboard = made.build()
    for number, shown in enumerate(dashboard.panels or [], start=1):
        shown.id_val = number
    return dashboard


def datasource() -> Builder[models.VariableModel]:
    """Which Prometheus."""
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def accounts() -> list[Builder[models.VariableModel]]:
    """Data source, provider and account, each offering what the one before has."""
    up = metric("sandbox_up")
    return [
        datasource(),
        _chosen("provider", "Provider", f"label_values({up}, provider)"),
        _chosen("account", "Account", f'label_values({up}{{provider=~"$provider"}}, account)'),
    ]


def templates() -> list[Builder[models.VariableModel]]:
    """The same, and the templates of the accounts, by name."""
    template = _chosen("template", "Template", f"query_result({promql.template_names()})")
    template.regex('/name="(?<text>[^"]*)".*template_id="(?<value>[^"]*)"/')
    return [*accounts(), template]


def bucket() -> Builder[models.VariableModel]:
    """How much time one bar of a chart stands for."""
    return (
        builders.CustomVariable("bucket")
        .label("By")
        .values("minute : 1m, hour : 1h, day : 1d")
        .current(models.VariableOption(selected=True, text="hour", value="1h"))
    )


def hidden(name: str, query: str) -> Builder[models.VariableModel]:
    """Every value that a query finds, for rows to repeat by."""
    return _several(name, name, query).hide(models.VariableHide.HIDE_VARIABLE)


def _chosen(name: str, label: str, query: str) -> builders.QueryVariable:
    """One, several or `All`, which also takes series that lack the label."""
    return _several(name, label, query).all_value(".*")


def _several(name: str, label: str, query: str) -> builders.QueryVariable:
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": query, "refId": name, "qryType": 3 if "query_result" in query else 1})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(models.VariableOption(selected=True, text=["All"], value=[ALL]))
    )


def _to_the_others() -> builders.DashboardLink:
    return (
        builders.DashboardLink("Sandboxes")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .keep_time(True)
        .include_vars(True)
    )
