"""Every `*.bad.yml` begins with the exact messages it must cause, as comments."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.config import load_file
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.vendors import VENDORS

FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"


def _names(pattern: str) -> list[str]:
    return sorted(path.name for path in FIXTURES.glob(pattern))


def _expected(path: Path) -> list[str]:
    lines = []
    for line in path.read_bytes().splitlines():
        if not line.startswith(b"# "):
            break
        text = line[2:].decode()
        lines.append(text.replace("{file}", str(path)).replace("{folder}", str(path.parent)))
    return lines


@pytest.mark.parametrize("name", _names("*.bad.yml"))
def test_each_mistake_is_named(name: str) -> None:
    """A bad file is refused with exactly the messages that its first lines state."""
    with pytest.raises(ConfigError) as caught:
        load_file(FIXTURES / name, VENDORS)
    assert [str(problem) for problem in caught.value.problems] == _expected(FIXTURES / name)
    assert "literal" not in str(caught.value).replace(name, "")


@pytest.mark.parametrize("name", _names("*.ok.yml"))
def test_good_files_load(name: str) -> None:
    """A good file loads."""
    assert load_file(FIXTURES / name, VENDORS).accounts
