"""Runs what stands beside this file: promtool's unit tests of the rules, one file an alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.yml"))


@pytest.fixture(scope="module")
def outcomes(promtool: Callable[..., str]) -> Iterator[dict[str, Future[str]]]:
    """All files' runs, two at a time: most of them play through days."""
    with ThreadPoolExecutor(2) as pool:
        runs = {path.stem: pool.submit(promtool, "test", "rules", str(path)) for path in FILES}
        yield runs
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", [path.stem for path in FILES])
def test_rules_do_what_the_file_says(name: str, outcomes: dict[str, Future[str]]) -> None:
    """Every case of the file holds: alerts with exactly these texts at these times, else none."""
    assert "SUCCESS" in outcomes[name].result()
