"""What must be the same on every store, beside the turn of a month and the console's charts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerting.ranges import Counters
from tests.e2e import stores
from tests.e2e.test_otlp_queries import dashboard_queries, history_of_both

START = 1_740_571_200
HOUR = 3600
COUNTER = "sandbox_account_cost_usd_total"
BY = "provider, account"
Running = Any
_TARGET = ("job", "instance")


def _samples(instance: str, first: int, last: int, late: int) -> Iterator[str]:
    """A replica that polls some seconds after the minute; after 3 h it shows 0, then the new month.

    A dollar is used in each minute, in the old month after a thousand.
    """
    labels = f'provider="seacloud",account="prod",instance="{instance}"'
    for at in range(first + late, last + 1, 60):
        new = 0 if at < 3 * HOUR + 120 else at - 3 * HOUR
        value = new / 60 if at >= 3 * HOUR else 1000 + at / 60
        yield f"{COUNTER}{{{labels}}} {value} {START + at}\n"


def _written(*replicas: Iterator[str]) -> str:
    lines = [line for replica in replicas for line in replica]
    return f"# TYPE {COUNTER.removesuffix('_total')} counter\n{''.join(lines)}# EOF\n"


REPLICAS = {
    "the leader of two replicas goes": (
        (("a", 0, 5 * HOUR, 0), ("b", 0, 8 * HOUR, 40)),
        # Until 20 s before the turn, and until 20 s before the end.
        (120 - 1 / 3) + (300 - 1 / 3),
    ),
    "a new name": (
        (("a", 0, 5 * HOUR, 0), ("b", 5 * HOUR + 60, 8 * HOUR, 0)),
        119 + 300,
    ),
    "a new name after an outage over the turn": (
        (("a", 0, 2 * HOUR, 0), ("b", 5 * HOUR, 8 * HOUR, 0)),
        60 + 300,
    ),
}
"""By case: the replicas, and the minutes within the range that are seen, at a dollar each."""


@pytest.mark.parametrize("case", REPLICAS)
def test_restarts_replicas_and_new_names_count_once(
    case: str,
    prometheus: Callable[..., Running],
    write_blocks: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    """One series comes of all, which loses nothing that was seen and counts nothing twice."""
    replicas, seen = REPLICAS[case]
    path = tmp_path / "samples.om"
    path.write_text(_written(*(_samples(*replica) for replica in replicas)))
    write_blocks(path)
    server = prometheus()
    counters = Counters(COUNTER, BY)
    for query in (counters.growth("7h"), counters.growth_of_range("7h")):
        asked = {"query": query, "time": START + 8 * HOUR}
        (found,) = server.get("/api/v1/query", params=asked).json()["data"]["result"]
        assert float(found["value"][1]) == pytest.approx(seen, rel=1e-9), query


def test_dashboards_show_the_same_as_on_debians_prometheus(
    start: Callable[..., Running],
    prometheus: Callable[..., Running],
    find_program: Callable[[str], str],
    write_blocks: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    """Every query of every panel has the same series, times and values, to 1e-9."""
    lines = asyncio.run(history_of_both()).scraped
    path = tmp_path / "history.om"
    path.write_text("\n".join([*lines, "# EOF", ""]))
    write_blocks(path)
    asked_of = prometheus()
    reference = stores.store(stores.DEBIAN, find_program, tmp_path / "reference")
    reference.folder.mkdir()
    reference.write(path)
    (tmp_path / "reference" / "empty.yml").touch()
    debian = reference.start(start, tmp_path / "reference" / "empty.yml")
    compared = 0
    for panel, asked in dashboard_queries():
        expected, found = values(debian, asked), values(asked_of, asked)
        assert found.keys() == expected.keys(), panel
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), panel
        compared += bool(expected)
    assert compared > 60


def values(server: Running, asked: dict[str, object]) -> dict[tuple[str, float], float]:
    """What a store answers: value by labels and time."""
    path = "/api/v1/query_range" if "step" in asked else "/api/v1/query"
    answer = server.get(path, params=asked).json()
    assert answer["status"] == "success", f"{answer.get('error')}: {asked}"
    return {
        (_labels(series["metric"]), float(at)): float(value)
        for series in answer["data"]["result"]
        for at, value in series.get("values") or [series["value"]]
    }


def _labels(metric: dict[str, str]) -> str:
    """The labels but those of the target, which files of samples have none of."""
    return json.dumps({k: v for k, v in metric.items() if k not in _TARGET}, sort_keys=True)
