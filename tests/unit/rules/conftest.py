"""Where the rules are, and the tools that read them."""

from __future__ import annotations

import os
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
    # A short-lived Go program: a fifth of its time is the garbage collector's by default.
    environment = os.environ | {"GOGC": "400"}

    def run(*arguments: str) -> str:
        command = [find_program("promtool"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
