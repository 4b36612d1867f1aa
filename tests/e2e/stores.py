"""The stores that the queries, rules and dashboards are tried on, each behind one interface."""

from __future__ import annotations

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

BUILT = os.environ.get("SANDBOX_EXPORTER_STORES", "")
"""The folder of stores that `scripts/stores` built; `make test-stores` sets it."""
DEBIAN = "prometheus-2.42"
NAMES = (DEBIAN, "prometheus-2.53", "prometheus-3", "victoriametrics")
"""Debian's own Prometheus, and what is built from published modules."""
AVAILABLE = NAMES if BUILT else (DEBIAN,)

Find = Callable[[str], str]
Start = Callable[..., Any]


@dataclass
class Store(ABC):
    """A store in a folder of its own: what is written before the start, and then the server."""

    name: str
    find: Find
    folder: Path
    flags: tuple[str, ...] = ()
    written: list[Path] = field(default_factory=list)

    def program(self, name: str) -> str:
        """One of the store's programs."""
        if self.name == DEBIAN:
            return self.find(name)
        return str(Path(BUILT, self.name, name))

    def write(self, openmetrics: Path) -> None:
        """Adds the samples of an OpenMetrics file."""
        copy = self.folder / f"{self.name}-{len(self.written)}.om"
        copy.write_bytes(openmetrics.read_bytes())
        self.written.append(copy)

    @abstractmethod
    def start(self, start: Start, config: Path) -> Any:
        """Starts the server; `config` has its scrape targets."""

    @abstractmethod
    def evaluate(self, start: Start, url: str, rules: Path, alertmanager: str) -> None:
        """Evaluates rules, and sends alerts."""


class Prometheus(Store):
    """Prometheus of some version; samples become blocks by its own promtool."""

    def start(self, start: Start, config: Path) -> Any:
        """With the blocks of all files."""
        data = self.folder / f"{self.name}-data"
        for path in self.written:
            command = [self.program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
            run([*command, "--max-block-duration=768h", str(path), str(data)])
        command = [
            self.program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            "--web.listen-address=127.0.0.1:0",
            *self.flags,
        ]
        return start(command, 0, "/-/ready")

    def evaluate(self, start: Start, url: str, rules: Path, alertmanager: str) -> None:
        """The server does, as its `config` says."""


class VictoriaMetrics(Store):
    """VictoriaMetrics, with the flags of docs/stores.md; samples come by its import."""

    FLAGS = (
        "-search.maxLookback=5m",
        "-search.minStalenessInterval=5m",
        "-search.latencyOffset=0s",
        "-search.disableCache",
        "-search.maxQueryLen=1MB",
    )

    def start(self, start: Start, config: Path) -> Any:
        """Imports all files, and waits until they can be asked for."""
        command = [
            self.program("victoria-metrics"),
            f"-storageDataPath={self.folder / self.name}-data",
            "-retentionPeriod=100y",
            "-httpListenAddr=127.0.0.1:0",
            f"-promscrape.config={config}",
            "-promscrape.config.strictParse=false",
            *self.FLAGS,
            *self.flags,
        ]
        server = start(command, 0, "/health")
        for path in self.written:
            post(f"{server.url}/api/v1/import/prometheus", in_milliseconds(path))
        post(f"{server.url}/internal/force_flush", "")
        return server

    def evaluate(self, start: Start, url: str, rules: Path, alertmanager: str) -> None:
        """Starts vmalert."""
        command = [
            self.program("vmalert"),
            f"-rule={rules}/*.yml",
            f"-datasource.url={url}",
            f"-remoteWrite.url={url}",
            "-remoteWrite.flushInterval=200ms",
            "-rule.evalDelay=0s",
            f"-notifier.url={alertmanager}",
            "-httpListenAddr=127.0.0.1:0",
        ]
        start(command, 0, "/health")


def store(name: str, find: Find, folder: Path, flags: Sequence[str] = ()) -> Store:
    """The store of that name."""
    kind = VictoriaMetrics if name == "victoriametrics" else Prometheus
    return kind(name, find, folder, tuple(flags))


def run(command: list[str]) -> str:
    """Runs a tool and returns what it printed; that is told where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def post(url: str, body: str) -> None:
    """Sends text."""
    httpx.post(url, content=body, timeout=120, trust_env=False).raise_for_status()


def in_milliseconds(openmetrics: Path) -> str:
    """The lines of a file with times in milliseconds, as the Prometheus text format has them."""
    lines = (line for line in openmetrics.read_text().splitlines() if line and line[0] != "#")
    split = (line.rpartition(" ") for line in lines)
    return "".join(f"{series} {round(float(at) * 1000)}\n" for series, _, at in split)
