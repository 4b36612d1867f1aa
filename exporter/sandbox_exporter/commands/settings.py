"""The configuration that a command line names."""

from __future__ import annotations

from sandbox_exporter.config import from_environment, load_file
from sandbox_exporter.config.model import Config
from sandbox_exporter.vendors import VENDORS


def load(config_file: str | None) -> Config:
    """The file's configuration, or without one the environment's; raises `ConfigError`."""
    return load_file(config_file, VENDORS) if config_file else from_environment(VENDORS)
