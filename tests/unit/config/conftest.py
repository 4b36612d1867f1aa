"""Fixtures for the tests of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox_exporter.config import load_file
from sandbox_exporter.config.model import Config
from sandbox_exporter.vendors import VENDORS

Load = Callable[[str], Config]


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEACLOUD_API_KEY", "made-up-seacloud-key")
    monkeypatch.setenv("DREADNODE_API_KEY", "made-up-dreadnode-key")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a configuration from its text."""

    def load_text(text: str) -> Config:
        path = tmp_path / "config.yml"
        path.write_text(text, encoding="utf-8")
        return load_file(path, VENDORS)

    return load_text
