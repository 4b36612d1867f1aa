"""Where the rules are, and the tools that read them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def promtool(find_program: Callable[[str], str]) -> Callable[..., str]:
    """Runs promtool and returns what it printed; the test fails with that if it fails."""

    def run(*arguments: str) -> str:
        command = [find_program("promtool"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
