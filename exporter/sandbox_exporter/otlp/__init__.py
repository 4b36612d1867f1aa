"""The same numbers over OTLP, and spans of polls. Imports OpenTelemetry only when it is on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.otlp.settings import read

if TYPE_CHECKING:
    from sandbox_exporter.exposition.publisher import Publisher
    from sandbox_exporter.exposition.selfmetrics import SelfMetrics
    from sandbox_exporter.otlp.telemetry import Telemetry

_EXTRA = "OTLP is on, but needs more packages: pip install 'sandbox-usage-exporter[otlp]'"


def connect(publisher: Publisher, metrics: SelfMetrics, *, wanted: bool) -> Telemetry | None:
    """What sends the publisher's snapshots, or None when neither `wanted` nor the environment does.

    Raises `ConfigError` for variables that cannot be used, and when the extra is not installed.
    """
    settings = read(os.environ, wanted=wanted)
    if settings.metrics is None and settings.traces is None:
        return None
    try:
        from sandbox_exporter.otlp.telemetry import Telemetry  # noqa: PLC0415 - costs 20 MB

        return Telemetry(settings, publisher, metrics)
    except ImportError as error:
        raise ConfigError([Problem("", f"{_EXTRA} ({error.name} is missing)")]) from None
