"""Everything that is sent over OTLP, put together."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from sandbox_exporter import __version__
from sandbox_exporter.config.model import Account
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp.exporters import metric_exporter, span_exporter
from sandbox_exporter.otlp.headers import mask_headers
from sandbox_exporter.otlp.outage import Outage, Words
from sandbox_exporter.otlp.own import own_families
from sandbox_exporter.otlp.points import usage_families
from sandbox_exporter.otlp.pusher import FLUSH_SECONDS, Export, Pusher
from sandbox_exporter.otlp.requests import requests
from sandbox_exporter.otlp.settings import Settings
from sandbox_exporter.otlp.threads import in_thread
from sandbox_exporter.otlp.tracer import TraceIds, Tracing
from sandbox_exporter.supervisor import FaultLog

log = logging.getLogger("sandbox_exporter.otlp")


def resource() -> Resource:
    """Who sends: the exporter's name and host, unless `OTEL_*` variables say otherwise.

    The instance is the host's name, not random as SDKs have it: series go on after a restart.
    """
    ours = {
        "service.name": "sandbox-exporter",
        "service.version": __version__,
        "service.instance.id": socket.gethostname(),
    }
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


class Telemetry:
    """Sends what the settings turn on, from `start` to `close`."""

    def __init__(self, settings: Settings, publisher: Publisher, metrics: SelfMetrics) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._resource = resource()
        self._began = time.time_ns()
        self._pushing: asyncio.Task[None] | None = None
        self._pusher: Pusher | None = None
        self._tracing: Tracing | None = None
        words = Words()
        words.install()
        if settings.metrics:
            exporter = metric_exporter(settings.metrics)
            outage = Outage("metrics", metrics)
            self._pusher = Pusher(self._collect, exporter, settings, outage, words)
        if settings.traces:
            outage = Outage("traces", metrics)
            self._tracing = Tracing(span_exporter(settings.traces), self._resource, outage, words)
            for handler in logging.getLogger().handlers:
                handler.addFilter(TraceIds())

    @property
    def sends_metrics(self) -> bool:
        """Whether metrics are sent, and not only spans."""
        return self._pusher is not None

    def served(self, account: str) -> float:
        """When what arrived last of an account was taken; infinite if metrics are not sent."""
        return float("inf") if self._pusher is None else self._pusher.served(account)

    def start(self) -> None:
        """Begins to send; needs a running event loop."""
        if self._pusher is not None:
            self._pushing = asyncio.create_task(
                FaultLog(mask_headers).supervise("OTLP", self._pusher.run)
            )

    def traced(self, account: Account) -> AbstractContextManager[None]:
        """A span around a poll, if polls are traced."""
        return nullcontext() if self._tracing is None else self._tracing.poll(account)

    async def close(self) -> None:
        """Sends what is left; takes a few seconds at most, whatever the collector does."""
        ends: list[asyncio.Future[None]] = []
        if self._pushing is not None and self._pusher is not None:
            self._pushing.cancel()
            ends.append(asyncio.create_task(self._pusher.close()))
        if self._tracing is not None:
            ends.append(in_thread(self._tracing.close))
        if ends:
            await asyncio.wait(ends, timeout=FLUSH_SECONDS + 2)

    def _collect(self) -> Export:
        now = time.time_ns()
        usage = usage_families(self._publisher.snapshot, now)
        own = own_families(self._metrics, self._began, now)
        return Export(requests(chain(usage, own), self._resource), self._publisher.taken)
