"""What the dashboards' account and template filters mean, on a real Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import promql
from tests.e2e.grafana import Choice, Span, interpolate

START, END = 1_740_571_200, 1_740_578_400
"""Two hours, at whole minutes."""
STEM = "cost_usd_total"
USED = {"": 10.0, "tpl-a": 4.0, "tpl-a2": 3.0, "tpl.b": 1.0}
"""By template, and by the account (no template), which used 2 that no template explains."""

CLOSE = 1e-9
"""Both ends of the range are whole minutes."""

Ask = Callable[[str, Choice], dict[str, float]]


def _lines(replica: str) -> Iterator[str]:
    """Samples a minute apart of an exporter under some address."""
    for template, used in USED.items():
        level = "template" if template else "account"
        labels = f'provider="seacloud",account="prod",instance="{replica}"'
        labels += f',template_id="{template}"' if template else ""
        yield f"# TYPE sandbox_{level}_cost_usd counter\n" if template in ("", "tpl-a") else ""
        for at in range(START, END + 1, 60):
            value = 100 + used * (at - START) / (END - START)
            yield f"sandbox_{level}_{STEM}{{{labels}}} {value} {at}\n"


@pytest.fixture
def ask(
    prometheus: Callable[..., Any], write_blocks: Callable[[Path], None], tmp_path: Path
) -> Ask:
    """Asks for an expression with some templates chosen; values by template, or by account."""
    for replica in ("one", "two"):
        text = "".join(_lines(replica)) + "# EOF\n"
        (tmp_path / "samples.om").write_text(text)
        write_blocks(tmp_path / "samples.om")
    server = prometheus()

    def query(expr: str, templates: Choice) -> dict[str, float]:
        chosen: dict[str, Choice] = {"provider": ".*", "account": ["prod"], "template": templates}
        made = interpolate(expr, Span(START, END), END - START, chosen)
        asked = {"query": made, "time": END}
        found = server.get("/api/v1/query", params=asked).json()["data"]["result"]
        return {
            series["metric"].get("template_id", ""): float(series["value"][1]) for series in found
        }

    return query


def test_all_is_the_accounts_truth(ask: Ask) -> None:
    """With nothing filtered the account's own total counts, and two replicas count once."""
    assert ask(promql.filtered(STEM, promql.used_in_range()), ".*") == {
        "": pytest.approx(10, rel=CLOSE)
    }


@pytest.mark.parametrize(
    ("templates", "used"),
    [(["tpl-a"], 4.0), (["tpl-a", "tpl-a2"], 7.0), (["tpl-a", "tpl-a2", "tpl.b"], 8.0)],
)
def test_templates_are_added_up(ask: Ask, templates: list[str], used: float) -> None:
    """With templates chosen theirs alone count, even where one's id begins like another's."""
    assert ask(promql.filtered(STEM, promql.used_in_range()), templates) == {
        "": pytest.approx(used, rel=CLOSE)
    }


def test_other_is_what_templates_leave_open(ask: Ask) -> None:
    """The share that no template explains is told, and only when nothing is filtered."""
    other = promql.other(STEM, promql.used_in_range())
    assert ask(other, ".*") == {"": pytest.approx(2, rel=CLOSE)}
    assert ask(other, ["tpl-a"]) == {}
