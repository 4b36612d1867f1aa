"""The commands by which the documents install the exporter, in a fresh environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from scripts.check_lock import Lock

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def _block(document: str, heading: str) -> list[str]:
    """The lines of the first block of commands below a heading."""
    text = (ROOT / document).read_text(encoding="utf-8").split(f"{heading}\n", 1)[1]
    found = re.search(r"```\w+\n(.*?)```", text, re.DOTALL)
    assert found, document
    return [line.removeprefix("$ ") for line in found[1].splitlines()]


@pytest.fixture
def install(tmp_path: Path) -> Callable[[list[str]], set[str]]:
    """Runs commands in a copy of the tree; gives what the environment holds then, pip aside."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "dist", "__pycache__"))

    def run(commands: list[str]) -> set[str]:
        outer = ("PYTHONPATH", "VIRTUAL_ENV")
        done = subprocess.run(
            ["bash", "-euc", "\n".join([*commands, "sandbox-exporter --version"])],
            cwd=checkout,
            env={name: value for name, value in os.environ.items() if name not in outer},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (packages,) = checkout.glob(".venv/lib/python*/site-packages")
        held = {canonicalize_name(found.name) for found in distributions(path=[str(packages)])}
        return {str(name) for name in held} - {"pip", "setuptools"}

    return run


def test_readme_installs_what_runs_and_no_more(install: Callable[[list[str]], set[str]]) -> None:
    """What builds the package is not beside it when it runs."""
    held = install(_block("README.md", "## Install"))
    assert "hatchling" not in held
    assert held == {"sandbox-usage-exporter", *Lock.read(ROOT / "requirements.lock").pins}


def test_opentelemetry_is_added_and_no_more(install: Callable[[list[str]], set[str]]) -> None:
    """The same holds with the extra `otlp`."""
    venv = ["python3 -m venv .venv", ". .venv/bin/activate"]
    commands = _block("docs/opentelemetry.md", "# OpenTelemetry")
    held = install(venv + [line for line in commands if "pip install" in line])
    assert "hatchling" not in held
    assert held == {"sandbox-usage-exporter", *Lock.read(ROOT / "requirements-otlp.lock").pins}
