"""YAML or the environment, made into a valid configuration or a list of every mistake."""

from __future__ import annotations

from sandbox_exporter.config.load import from_environment, load_file

__all__ = ["from_environment", "load_file"]
