"""Panels as small functions over shared defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, text
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import statetimeline as state_timeline
from grafana_foundation_sdk.builders import timeseries as time_series
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""Whatever the reader chose."""

VCPU_HOURS = "suffix: vCPU·h"
GIB_HOURS = "suffix: GiB·h"
BYTES = "decbytes"
BINARY_BYTES = "bytes"
USD = "currencyUSD"
COUNT = "locale"
SECONDS = "s"
PERCENT = "percentunit"
SINCE = "dateTimeFromNow"

GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

_WIDTHS = {"account": 90, "name": 150}
"""Pixels for a table's labels that are longer than its numbers, or shorter."""
_SCRAPE = "1m"
"""The shortest step of a query, and the scrape interval from which Grafana makes
`$__rate_interval`: a poll a minute cannot tell more."""

_Panel = TypeVar(
    "_Panel", stat.Panel, bargauge.Panel, time_series.Panel, table.Panel, state_timeline.Panel
)


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called in the legend."""

    expr: str
    legend: str
    step: str = _SCRAPE
    """The shortest step of a chart."""


@dataclass(frozen=True, slots=True)
class About:
    """What a panel shows, for its reader."""

    title: str
    description: str
    """What it means, and where the number comes from."""
    unit: str
    decimals: int | None = None
    """Digits after the point; None lets Grafana choose."""
    limits: tuple[tuple[float, str], ...] = ()
    """From which value on it gets which colour; green below the first."""
    width: int = 12
    """Of 24."""
    height: int = 8
    legend_beside: bool = False
    """For a chart of many series: the legend as a table on its right."""
    period: str | None = None
    """A time range of the panel's own, like `now/d`."""


def card(about: About, query: Query, *, text: str = "", sparkline: bool = False) -> stat.Panel:
    """One number; `text` is shown when there is none."""
    coloured = about.limits or sparkline
    panel = (
        stat.Panel()
        .graph_mode(looks.BigValueGraphMode.AREA if sparkline else looks.BigValueGraphMode.NONE)
        .color_mode(looks.BigValueColorMode.VALUE if coloured else looks.BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A", instant=not sparkline))
    )
    if not about.limits:
        panel.color_scheme(_fixed(BLUE))
    return _described(panel, about).no_value(text or "–")


def bars(about: About, *queries: Query, legend: str = "sum") -> time_series.Panel:
    """Amounts by bucket, stacked, each bar beginning where its bucket does.

    `legend` names the number that the legend gives of each series.
    """
    return (
        _chart(about, queries, legend)
        .draw_style(looks.GraphDrawStyle.BARS)
        .bar_alignment(looks.BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
        .max_data_points(1500)
    )


def lines(about: About, *queries: Query) -> time_series.Panel:
    """Levels over time."""
    return _chart(about, queries, "lastNotNull").line_width(2).fill_opacity(8)


def gauges(about: About, query: Query) -> bargauge.Panel:
    """A few numbers as horizontal bars, the longest the greatest."""
    panel = (
        bargauge.Panel()
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A", instant=True))
    )
    if not about.limits:
        panel.color_scheme(_fixed(BLUE))
    return _described(panel, about).min(0)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of numbers in a table."""

    title: str
    expr: str
    unit: str
    decimals: int | None = None


def rows(about: About, labels: Mapping[str, str], columns: Sequence[Column]) -> table.Panel:
    """A table: a row for each combination of labels (label -> title), sorted by its last column."""
    panel = table.Panel().show_header(True).min_width(60)
    refs = [chr(ord("A") + index) for index in range(len(columns))]
    for ref, column in zip(refs, columns, strict=True):
        query = Query(column.expr, column.title)
        panel.with_target(_target(query, ref, instant=True).format(PromQueryFormat.TABLE))
        shown = [models.DynamicConfigValue("unit", column.unit)]
        if column.decimals is not None:
            shown.append(models.DynamicConfigValue("decimals", column.decimals))
        panel.override_by_name(column.title, shown)
    for label, width in _WIDTHS.items():
        if label in labels:
            panel.override_by_name(
                labels[label], [models.DynamicConfigValue("custom.width", width)]
            )
    values = [f"Value #{ref}" for ref in refs] if len(refs) > 1 else ["Value"]
    titles = [*labels.values(), *(column.title for column in columns)]
    names = dict(zip([*labels, *values], titles, strict=True))
    panel.transformations(
        [
            models.DataTransformerConfig("merge", options={}),
            models.DataTransformerConfig(
                "filterFieldsByName", options={"include": {"names": [*names]}}
            ),
            models.DataTransformerConfig(
                "organize",
                options={
                    "indexByName": {name: index for index, name in enumerate(names)},
                    "renameByName": names,
                },
            ),
        ]
    )
    panel.sort_by([common.TableSortByFieldState().display_name(columns[-1].title).desc(True)])
    return _described(panel, about)


def states(
    about: About, query: Query, meanings: Mapping[str, tuple[str, str]]
) -> state_timeline.Panel:
    """States over time; `meanings` gives each value's text and colour."""
    mapping = models.ValueMap(
        {
            value: models.ValueMappingResult(text=text, color=color, index=index)
            for index, (value, (text, color)) in enumerate(meanings.items())
        }
    )
    panel = (
        state_timeline.Panel()
        .show_value(looks.VisibilityMode.NEVER)
        .legend(_legend([]))
        .mappings([mapping])
        .with_target(_target(query, "A", instant=False))
    )
    return _described(panel, about)


def note(
    title: str, content: str, description: str, *, width: int = 12, height: int = 8
) -> text.Panel:
    """Words in Markdown."""
    panel = text.Panel().title(title).description(description).content(content)
    return panel.span(width).height(height)


def _chart(about: About, queries: Sequence[Query], legend: str) -> time_series.Panel:
    panel = (
        time_series.Panel()
        .show_points(looks.VisibilityMode.NEVER)
        .min(0)
        .legend(_legend([legend], beside=about.legend_beside))
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    )
    for index, query in enumerate(queries):
        panel.with_target(_target(query, chr(ord("A") + index), instant=False))
    return _described(panel, about)


def _target(query: Query, ref: str, *, instant: bool) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(looks.DataSourceRef("prometheus", "${datasource}"))
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(ref)
        .interval(query.step)
    )
    return target.instant() if instant else target.range()


def _legend(calcs: Sequence[str], *, beside: bool = False) -> common.VizLegendOptions:
    mode = looks.LegendDisplayMode.TABLE if beside else looks.LegendDisplayMode.LIST
    placement = looks.LegendPlacement.RIGHT if beside else looks.LegendPlacement.BOTTOM
    legend = common.VizLegendOptions().show_legend(True).display_mode(mode).placement(placement)
    return legend.calcs([*calcs])


def _fixed(color: str) -> builders.FieldColor:
    return builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(color)


def _described(panel: _Panel, about: About) -> _Panel:
    """What every panel has."""
    steps = [models.Threshold(value=None, color=GREEN)]
    steps += [models.Threshold(value=value, color=color) for value, color in about.limits]
    panel.title(about.title).description(about.description).datasource(DATASOURCE)
    panel.unit(about.unit).span(about.width).height(about.height)
    panel.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps))
    if about.decimals is not None:
        panel.decimals(about.decimals)
    if about.period is not None:
        panel.time_from(about.period).hide_time_override(True)
    return panel
