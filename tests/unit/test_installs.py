"""Whatever installs from a lock, here or in what users are told, takes exactly what it pins."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("README.md", "Dockerfile", "docs/**/*.md", "scripts/*", "provisioning/**/*", ".ci/*")
FROM_A_LOCK = re.compile(r"pip install[^\n]*\s(?:-r|--requirement)\s[^\n]*")


def _commands() -> Iterator[tuple[str, str]]:
    """Each command that installs from a file of pins, and where it stands."""
    for path in (path for place in PLACES for path in ROOT.glob(place) if path.is_file()):
        text = path.read_text(errors="replace").replace("\\\n", " ")
        for found in FROM_A_LOCK.finditer(text):
            yield str(path.relative_to(ROOT)), found[0]


@pytest.mark.parametrize(("place", "command"), list(_commands()))
def test_an_install_from_a_lock_is_exact(place: str, command: str) -> None:
    """No resolving, no other bytes, and no build that would fetch its own tools."""
    for flag in ("--no-deps", "--require-hashes", "--only-binary :all:"):
        assert flag in command, place


def test_the_places_are_found() -> None:
    """The check above looks at what users and images run."""
    assert {place for place, _ in _commands()} >= {"README.md", "Dockerfile", "scripts/setup"}
