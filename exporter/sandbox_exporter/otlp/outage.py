"""Whether exports arrive: a metric, and one log line when they stop and one when they resume."""

from __future__ import annotations

import logging
import threading
from typing import Literal

from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp.headers import mask_headers

log = logging.getLogger("sandbox_exporter.otlp")


class Outage:
    """Follows one signal's exports. May be told of them from any thread."""

    def __init__(self, signal: Literal["metrics", "traces"], metrics: SelfMetrics) -> None:
        self._signal = signal
        self._counters = {
            result: metrics.otlp_exports.labels(signal, result) for result in ("success", "failure")
        }
        self._failing = False

    def succeeded(self) -> None:
        """An export arrived."""
        self._counters["success"].inc()
        if self._failing:
            self._failing = False
            log.info("OTLP exports arrive again", extra={"signal": self._signal})

    def failed(self, reason: str) -> None:
        """An export did not arrive; `reason` is logged when the one before did."""
        self._counters["failure"].inc()
        if not self._failing:
            self._failing = True
            log.warning(
                "OTLP export failed, tried again until it succeeds",
                extra={"signal": self._signal, "error": mask_headers(reason)},
            )


class Words(logging.Handler):
    """Keeps what the OTLP exporters log from the log, and the first words of each thread's export.

    They log each attempt; what they say is told once an outage, by `Outage`. What the SDK says,
    such as that it drops spans, goes on to the log. The rest may quote variables, and stays here.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = threading.local()

    def install(self) -> None:
        """Takes the place of the log for everything that OpenTelemetry says."""
        logger = logging.getLogger("opentelemetry")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a thread's first record."""
        if record.name.startswith("opentelemetry.sdk"):
            log.warning("OpenTelemetry: %s", record.getMessage())
        elif not getattr(self._said, "words", ""):
            self._said.words = record.getMessage()

    def take(self) -> str:
        """What this thread's exporter said first since the last call."""
        words: str = getattr(self._said, "words", "")
        self._said.words = ""
        return words or "no reason given"
