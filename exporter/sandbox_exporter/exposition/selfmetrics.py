"""The exporter's own metrics, in a registry of their own."""

from __future__ import annotations

import platform
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.gc_collector import GCCollector
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from sandbox_exporter import __version__, catalogue
from sandbox_exporter.catalogue import Metric
from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import Reason

_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class SelfMetrics:
    """What the exporter counts of itself."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # gauges in text 0.0.4
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = self._make(Counter, catalogue.API_REQUESTS)
        self.errors = self._make(Counter, catalogue.API_ERRORS)
        self.corrections = self._make(Counter, catalogue.CORRECTIONS)
        self.skipped = self._make(Counter, catalogue.SKIPPED)
        self.poll_duration = self._make(Gauge, catalogue.POLL_DURATION)
        self.last_poll = self._make(Gauge, catalogue.LAST_POLL)
        self.publish_duration = self._make(Gauge, catalogue.PUBLISH_DURATION)
        self.published_samples = self._make(Gauge, catalogue.SERIES)
        self.reload_ok = self._make(Gauge, catalogue.RELOAD_OK)
        self.reload_time = self._make(Gauge, catalogue.RELOAD_TIME)
        self.web_reload_ok = self._make(Gauge, catalogue.WEB_RELOAD_OK)
        self.web_reload_ok.set(1)
        self._state: tuple[Gauge, Gauge] | None = None
        self.otlp_exports = self._make(Counter, catalogue.OTLP_EXPORTS)
        self.duration = Histogram(
            catalogue.API_DURATION.name,
            catalogue.API_DURATION.help,
            catalogue.API_DURATION.labels,
            registry=self.registry,
            buckets=_BUCKETS,
        )
        build = self._make(Gauge, catalogue.BUILD_INFO)
        build.labels(__version__, platform.python_version()).set(1)

    def _make(self, kind: type[_M], metric: Metric) -> _M:
        return kind(metric.name, metric.help, metric.labels, registry=self.registry)

    def account(self, account: Account) -> AccountMetrics:
        """The metrics of one account's polls; there are none of them before its first."""
        return AccountMetrics(self, (account.provider, account.name))

    def forget(self, account: Account) -> None:
        """Drops the series of an account that the configuration no longer has."""
        labels = {"provider": account.provider, "account": account.name}
        for metric in (
            self.requests,
            self.errors,
            self.duration,
            self.corrections,
            self.skipped,
            self.poll_duration,
            self.last_poll,
        ):
            metric.remove_by_labels(labels)

    def reloaded(self, now: float, *, ok: bool) -> None:
        """Notes an attempt to load the configuration at `now` (Unix seconds)."""
        self.reload_ok.set(ok)
        if ok:
            self.reload_time.set(now)

    def web_reloaded(self, ok: bool) -> None:
        """Notes whether what the web configuration file asks for is in force."""
        self.web_reload_ok.set(ok)

    def state_saved(self, *, ok: bool) -> None:
        """Notes an attempt to save the state file; there is no such metric before the first."""
        if self._state is None:
            made = [self._make(Gauge, m) for m in (catalogue.STATE_OK, catalogue.STATE_TIME)]
            self._state = made[0], made[1]
        successful, moment = self._state
        successful.set(ok)
        if ok:
            moment.set_to_current_time()

    def render(self) -> tuple[bytes, bytes]:
        """The metrics as text 0.0.4 and as OpenMetrics, the latter with its end mark."""
        openmetrics: bytes = generate_openmetrics(self.registry)  # type: ignore[no-untyped-call]
        return generate_text(self.registry), openmetrics


class AccountMetrics:
    """Counts one account's calls and polls (the poller's `PollObserver`)."""

    def __init__(self, metrics: SelfMetrics, labels: tuple[str, str]) -> None:
        self._metrics = metrics
        self._labels = labels

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Counts an upstream call that took `seconds`."""
        self._metrics.requests.labels(*self._labels, endpoint, code).inc()
        self._metrics.duration.labels(*self._labels, endpoint).observe(seconds)

    def error(self, endpoint: str, reason: Reason) -> None:
        """Counts a failed upstream call."""
        self._metrics.errors.labels(*self._labels, endpoint, str(reason)).inc()

    def polled(self, seconds: float, ended: float) -> None:
        """Notes how long a poll took, and when it ended (Unix seconds)."""
        self._metrics.poll_duration.labels(*self._labels).set(seconds)
        self._metrics.last_poll.labels(*self._labels).set(ended)

    def corrected(self, count: int) -> None:
        """Counts answers that held a month's total below an earlier one."""
        self._metrics.corrections.labels(*self._labels).inc(count)

    def skipped(self, count: int) -> None:
        """Counts template calls that were not needed."""
        self._metrics.skipped.labels(*self._labels).inc(count)


_M = TypeVar("_M", Counter, Gauge)
