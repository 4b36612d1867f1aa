from __future__ import annotations

import itertools
import re
from typing import Any

from alerting.ranges import ESTIMATED

Panel = dict[str, Any]
Target = dict[str, Any]

TITLES_THAT_FIT = 28
"""Characters in a panel's title for each third of 1280 pixels."""


def test_ids_are_unique(dashboard: dict[str, Any]) -> None:
    """Links to a panel open that panel."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    """Panels lie beside and below each other, within 24 columns."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, f"{one} overlaps {other}"


def test_lines_of_panels_are_full(dashboard: dict[str, Any]) -> None:
    """There are no holes: panels that begin at one height fill all columns."""
    widths: dict[int, int] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {24}


def test_panels_explain_themselves(panels: list[Panel]) -> None:
    """Each has a title that fits, what it means, and where its numbers come from."""
    for panel in panels:
        assert panel["title"], panel["id"]
        assert len(panel["title"]) <= TITLES_THAT_FIT * panel["gridPos"]["w"] / 8, panel["title"]
        assert len(panel["description"]) > 40, panel["title"]
        assert "Source: " in panel["description"] or not panel.get("targets"), panel["title"]


def test_numbers_have_units(panels: list[Panel]) -> None:
    """No number stands without its unit."""
    for panel in panels:
        if panel.get("targets"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_amounts_begin_at_zero(panels: list[Panel]) -> None:
    """No axis cuts off the lower part of an amount."""
    for panel in panels:
        if panel["type"] in ("timeseries", "bargauge"):
            assert panel["fieldConfig"]["defaults"]["min"] == 0, panel["title"]


def test_data_source_is_the_readers_choice(panels: list[Panel], targets: list[Target]) -> None:
    """Panels and queries name no data source but the variable."""
    asking = [panel for panel in panels if panel.get("targets")]
    assert {entry["datasource"]["uid"] for entry in [*asking, *targets]} == {"${datasource}"}
    assert {entry["datasource"]["type"] for entry in [*asking, *targets]} == {"prometheus"}


def test_series_have_legends(targets: list[Target]) -> None:
    """No legend shows a raw set of labels."""
    assert all(target["legendFormat"] for target in targets)


def test_no_query_asks_for_what_stores_estimate(targets: list[Target]) -> None:
    """Counters are asked in the form of alerting/ranges.py, and each query has a shortest step."""
    for target in targets:
        assert not ESTIMATED.search(target["expr"]), target["expr"]
        assert target["interval"], target["expr"]


def test_variables_depend_on_those_before(dashboard: dict[str, Any]) -> None:
    """Provider, account and template each offer only what fits the choices before."""
    variables = dashboard["templating"]["list"]
    names = [variable["name"] for variable in variables]
    assert names[:3] == ["datasource", "provider", "account"]
    for place, variable in enumerate(variables):
        if variable["type"] == "query":
            asked = set(re.findall(r"\$(\w+)", variable["query"]["query"])) & set(names)
            assert asked == set(names[1 : min(place, 3)]), variable["name"]
            assert variable["datasource"]["uid"] == "${datasource}"
            assert variable["multi"]
            assert variable["includeAll"]


def test_links_keep_time_and_variables(dashboard: dict[str, Any]) -> None:
    """Whoever goes to another of these dashboards looks at the same time and accounts there."""
    (link,) = dashboard["links"]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) <= set(dashboard["tags"])
    assert link["keepTime"]
    assert link["includeVars"]


def test_dashboard_opens_in_the_readers_time_zone(dashboard: dict[str, Any]) -> None:
    """Days are the reader's own, and the page stays fresh."""
    assert dashboard["timezone"] == "browser"
    assert dashboard["refresh"] == "1m"
