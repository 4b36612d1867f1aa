"""Runs what stands beside this file: promtool's unit tests of the rules, one file an alert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_do_what_the_file_says(path: Path, promtool: Callable[..., str]) -> None:
    """Every case of the file holds: alerts with exactly these texts at these times, else none."""
    assert "SUCCESS" in promtool("test", "rules", str(path))
