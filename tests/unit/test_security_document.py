from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_named_tests_exist() -> None:
    """Each threat names the tests that try it, and those tests are there."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 10
    for row in rows:
        tested = row.rstrip("| ").rpartition(" | ")[2]
        for part in tested.split(", "):
            test = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", part)
            assert test, part
            tree = ast.parse((ROOT / test[1]).read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            assert test[2] in {node.name for node in tree.body if isinstance(node, kinds)}, part
