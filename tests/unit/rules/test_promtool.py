"""Runs what stands beside this file: promtool's unit tests of the rules, one file an alert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import stores

PROMETHEUSES = [name for name in stores.AVAILABLE if name.startswith("prometheus")]
FILES = sorted(Path(__file__).parent.glob("*.yml"))
RULES = "../../../provisioning/prometheus/rules/"

# None of the exporter's code runs here.
pytestmark = [pytest.mark.no_cover, pytest.mark.slow]


def _needed(text: str, rules: dict[str, Any]) -> set[str]:
    """The rules that a file of tests names, and all that those are made of."""
    needed: set[str] = set()
    while found := {name for name in rules.keys() - needed if name in text}:
        needed |= found
        text = str([rules[name] for name in found])
    return needed


@pytest.mark.parametrize("name", PROMETHEUSES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_do_what_the_file_says(
    path: Path, name: str, root: Path, tmp_path: Path, find_program: Callable[[str], str]
) -> None:
    """Every case of the file holds: alerts with exactly these texts at these times, else none.

    promtool evaluates each rule that it is given at each step of days or weeks, so it is given
    those alone that the file is about.
    """
    text = path.read_text(encoding="utf-8")
    documents = {
        file.name: yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in (root / "provisioning/prometheus/rules").glob("*.yml")
    }
    groups = [group for document in documents.values() for group in document["groups"]]
    rules = {
        rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]
    }
    needed = _needed(text, rules)
    for group in groups:
        group["rules"] = [r for r in group["rules"] if (r.get("alert") or r["record"]) in needed]
    for file_name, document in documents.items():
        (tmp_path / file_name).write_text(yaml.safe_dump(document), encoding="utf-8")
    assert RULES in text
    tests = tmp_path / "tests.yml"
    tests.write_text(text.replace(RULES, f"{tmp_path}/"), encoding="utf-8")
    program = stores.store(name, find_program, tmp_path).program("promtool")
    assert "SUCCESS" in stores.run([program, "test", "rules", str(tests)])
