"""The standard `OTEL_*` variables, as far as they are not left to the official exporters.

Those read endpoints, headers and certificates themselves. What is read here is what turns a signal
on, what the SDK for Python reads differently from the specification (timeouts are milliseconds),
and what would otherwise go wrong without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from sandbox_exporter.config.urls import is_loopback
from sandbox_exporter.errors import ConfigError, Problem

Protocol = Literal["http/protobuf", "grpc"]
Compression = Literal["none", "gzip", "deflate"]

T = TypeVar("T")
_PREFIX = "OTEL_EXPORTER_OTLP_"
_CERTIFICATES = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")
_PROTOCOLS: Mapping[str, Protocol] = {"http/protobuf": "http/protobuf", "grpc": "grpc"}
_COMPRESSIONS: Mapping[str, Compression] = {"none": "none", "gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True, slots=True)
class Signal:
    """How one signal is sent."""

    name: Literal["metrics", "traces"]
    protocol: Protocol
    compression: Compression
    timeout: float
    """Seconds that one request may take, its retries included."""
    endpoint: str = ""
    """Where it is sent, for what depends on it; the exporters read the variable themselves."""

    @property
    def is_local(self) -> bool:
        """Whether it is sent to this machine."""
        _, _, authority = self.endpoint.rpartition("://")
        return not self.endpoint or is_loopback(urlsplit(f"//{authority}").hostname or "")


@dataclass(frozen=True, slots=True)
class Settings:
    """Which signals are sent, and how often."""

    metrics: Signal | None
    traces: Signal | None
    interval: float
    """Seconds from one export of metrics to the next."""
    export_timeout: float
    """Seconds that one export of metrics may take."""


def read(environ: Mapping[str, str], *, wanted: bool = False) -> Settings:
    """The settings; `wanted` turns metrics on without an endpoint in the environment.

    Raises `ConfigError` with every mistake, each at its variable's name.
    """
    variables = _Variables(environ)
    disabled = variables.get("OTEL_SDK_DISABLED").lower() == "true"

    def on(signal: str, *endpoints: str) -> bool:
        silenced = variables.get(f"OTEL_{signal}_EXPORTER") == "none"
        return not disabled and not silenced and any(map(variables.get, endpoints))

    metrics = on("METRICS", f"{_PREFIX}ENDPOINT", f"{_PREFIX}METRICS_ENDPOINT")
    traces = on("TRACES", f"{_PREFIX}TRACES_ENDPOINT")
    if wanted and disabled:
        variables.refuse("OTEL_SDK_DISABLED", "is true, but the configuration says otlp: true")
    settings = Settings(
        variables.signal("metrics") if metrics or wanted else None,
        variables.signal("traces") if traces else None,
        variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", default=60_000),
        variables.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", default=30_000),
    )
    if settings.metrics:
        variables.check_temporality()
    if (settings.metrics or settings.traces) and variables.problems:
        raise ConfigError(variables.problems)
    return settings


class _Variables:
    """An environment while it is read; an empty variable counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []

    def get(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def refuse(self, name: str, message: str) -> None:
        self.problems.append(Problem(name, message))

    def signal(self, name: Literal["metrics", "traces"]) -> Signal:
        """A signal's settings: its own variables, else those for all signals."""

        def where(key: str) -> str:
            own = f"{_PREFIX}{name.upper()}_{key}"
            return own if self.get(own) else _PREFIX + key

        protocol = self._choice(where("PROTOCOL"), _PROTOCOLS, "http/protobuf")
        compression = self._choice(where("COMPRESSION"), _COMPRESSIONS, "none")
        if (protocol, compression) == ("grpc", "deflate"):
            self.refuse(where("COMPRESSION"), "is deflate, allowed with grpc: none or gzip")
        self._endpoint(where("ENDPOINT"), protocol)
        for key in _CERTIFICATES:
            if (path := self.get(where(key))) and not Path(path).is_file():
                self.refuse(where(key), f"{path} is not a file, allowed: a PEM file")
        timeout = self.milliseconds(where("TIMEOUT"), default=10_000)
        return Signal(name, protocol, compression, timeout, self.get(where("ENDPOINT")))

    def milliseconds(self, name: str, *, default: int) -> float:
        """Seconds, from the whole number of milliseconds that the specification prescribes."""
        text = self.get(name)
        if text and not (text.isdecimal() and int(text) > 0):
            self.refuse(name, "is not a whole number above 0, allowed: milliseconds")
            text = ""
        return int(text or default) / 1000

    def check_temporality(self) -> None:
        """Only cumulative sums survive a restart of the exporter without loss or double counts."""
        name = f"{_PREFIX}METRICS_TEMPORALITY_PREFERENCE"
        if self.get(name).lower() not in ("", "cumulative"):
            self.refuse(
                name,
                f"is {self.get(name)}, allowed: cumulative "
                "(the collector's processor cumulativetodelta makes deltas of it)",
            )

    def _endpoint(self, name: str, protocol: Protocol) -> None:
        """Refuses what cannot work, and what would show a secret in the messages of libraries."""
        endpoint = self.get(name)
        allowed = "http://HOST:PORT or https://…, with secrets in OTEL_EXPORTER_OTLP_HEADERS"
        if not endpoint or (protocol == "grpc" and "://" not in endpoint and "@" not in endpoint):
            return
        try:
            url = urlsplit(endpoint)
            plain = url.scheme in ("http", "https") and bool(url.hostname)
        except ValueError:
            plain = False
        if not plain or url.username is not None or url.query or url.fragment:
            self.refuse(name, f"is not a plain URL, allowed: {allowed}")

    def _choice(self, name: str, options: Mapping[str, T], default: str) -> T:
        chosen = self.get(name) or default
        if chosen not in options:
            self.refuse(name, f"is {chosen!r}, allowed: {', '.join(options)}")
        return options.get(chosen, options[default])
