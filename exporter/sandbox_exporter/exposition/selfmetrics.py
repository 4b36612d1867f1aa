"""The exporter's own metrics."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as generate_text
from prometheus_client.gc_collector import GCCollector
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from sandbox_exporter import __version__, catalogue
from sandbox_exporter.catalogue import Metric
from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import Reason
from sandbox_exporter.exposition.instruments import (
    Counter,
    Distribution,
    Gauge,
    Histogram,
    Owner,
    Series,
)
from sandbox_exporter.exposition.text import Family, Line, header, label_text

_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class SelfMetrics:
    """What the exporter counts of itself."""

    def __init__(self) -> None:
        self.process = CollectorRegistry()
        """What the client library tells of the process (`process_*`, `python_*`)."""
        ProcessCollector(registry=self.process)
        PlatformCollector(registry=self.process)
        GCCollector(registry=self.process)
        self.instruments: list[Counter | Gauge | Histogram] = []
        self._changed: set[Owner] = set()
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
        self.duration = Histogram(catalogue.API_DURATION, self._changed, _BUCKETS)
        self.instruments.append(self.duration)
        build = self._make(Gauge, catalogue.BUILD_INFO)
        build.labels(__version__, platform.python_version()).set(1)

    def _make(self, kind: type[_M], metric: Metric) -> _M:
        made = kind(metric, self._changed)
        self.instruments.append(made)
        return made

    def account(self, account: Account) -> AccountMetrics:
        """The metrics of one account's polls; there are none of them before its first."""
        return AccountMetrics(self, (account.provider, account.name))

    def forget(self, account: Account) -> None:
        """Drops the series of an account that the configuration no longer has."""
        for instrument in self.instruments:
            instrument.forget((account.provider, account.name))

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
            moment.set(time.time())

    def changed(self) -> set[Owner]:
        """Whose series changed since the last call."""
        changed = set(self._changed)
        self._changed.difference_update(changed)
        return changed

    def families(self, owners: Sequence[Owner]) -> Iterator[Family]:
        """The families that are counted by account, with the series of some accounts."""
        for instrument in self.instruments:
            if instrument.by_account:
                yield instrument.metric, _lines(instrument, owners)

    def render(self) -> tuple[str, str]:
        """The other families as text 0.0.4 and as OpenMetrics, the latter with its end mark."""
        others = [instrument for instrument in self.instruments if not instrument.by_account]
        samples = ["".join(_samples(instrument)) for instrument in others]
        text, openmetrics = (
            "".join(
                header(instrument.metric, openmetrics=form) + lines
                for instrument, lines in zip(others, samples, strict=True)
                if lines
            )
            for form in (False, True)
        )
        end: bytes = generate_openmetrics(self.process)  # type: ignore[no-untyped-call]
        return text + generate_text(self.process).decode(), openmetrics + end.decode()


class AccountMetrics:
    """Counts one account's calls and polls (the poller's `PollObserver`)."""

    def __init__(self, metrics: SelfMetrics, labels: tuple[str, str]) -> None:
        self._metrics = metrics
        self._labels = labels

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Counts an upstream call that took `seconds`."""
        self._metrics.requests.labels(*self._labels, endpoint, code).inc()
        self._metrics.duration.labels(self._labels[0], endpoint).observe(seconds)

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


def _lines(instrument: Counter | Gauge | Histogram, owners: Iterable[Owner]) -> Iterator[Line]:
    """The lines of what is counted by account: counters and gauges."""
    for owner in owners:
        for values, series in instrument.rows(owner):
            if isinstance(series, Series):
                yield _sorted(instrument.metric, values), series.value, 0.0


def _samples(instrument: Counter | Gauge | Histogram) -> Iterator[str]:
    """The lines of what is counted of the exporter as a whole, the same in both formats."""
    name = instrument.metric.name
    for values, series in instrument.rows():
        labels = _sorted(instrument.metric, values)
        if isinstance(series, Distribution):
            yield from _buckets(name, labels, series)
        else:
            braced = f"{{{labels}}}" if labels else ""
            yield f"{name}{braced} {series.value!r}\n"


def _buckets(name: str, labels: str, series: Distribution) -> Iterator[str]:
    counts = list(accumulate(series.counts))
    for bound, count in zip((*map(repr, _BUCKETS), "+Inf"), counts, strict=True):
        yield f'{name}_bucket{{{labels},le="{bound}"}} {float(count)!r}\n'
    yield f"{name}_count{{{labels}}} {float(counts[-1])!r}\n"
    yield f"{name}_sum{{{labels}}} {series.sum!r}\n"


def _sorted(metric: Metric, values: Sequence[str]) -> str:
    """Labels in alphabetical order, as Prometheus client libraries write them."""
    pairs = sorted(zip(metric.labels, values, strict=True))
    return label_text(*zip(*pairs, strict=True)) if pairs else ""


_M = TypeVar("_M", Counter, Gauge)
