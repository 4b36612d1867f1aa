"""Real processes on loopback ports: the simulator, the exporter, Prometheus."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

PATIENCE = 60.0
"""Seconds after which something that should have happened is taken for broken."""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@dataclass(frozen=True)
class Running:
    """A process that serves HTTP, and what it printed."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def get(self, path: str, **options: object) -> httpx.Response:
        """A GET of a path."""
        return httpx.get(f"{self.url}{path}", timeout=10, trust_env=False, **options)  # type: ignore[arg-type]

    def metrics(self) -> dict[str, float]:
        """What is served now: value by name and labels, as written."""
        lines = self.get("/metrics").text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {series: float(value) for series, value in pairs}


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition to hold."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(0.05)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], str], None]:
    """Waits for a condition to hold, and fails by its name."""
    return wait_until


@contextmanager
def _running(
    command: list[str], port: int, ready: str, log: Path, environment: dict[str, str]
) -> Iterator[Running]:
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, text=True
        )
    running = Running(process, url, log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return running.get(ready).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, f"{command[:4]} at {url}{ready}")
        yield running
    finally:
        process.terminate()
        process.wait(10)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server as a process of its own; all are ended with the test."""
    with ExitStack() as stack:

        def start_one(
            command: list[str], port: int, ready: str, environment: dict[str, str] | None = None
        ) -> Running:
            log = tmp_path / f"{port}.log"
            base = {name: value for name, value in os.environ.items() if "_proxy" not in name}
            running = _running(command, port, ready, log, base | (environment or {}))
            return stack.enter_context(running)

        yield start_one


@pytest.fixture
def simulator(start: Start) -> Running:
    """The simulator, by the command that users have."""
    port = _free_port()
    command = [sys.executable, "-m", "sandbox_exporter", "simulate"]
    return start([*command, "--listen", f"127.0.0.1:{port}"], port, "/_sim/clock")


@pytest.fixture
def exporter(start: Start) -> Callable[..., Running]:
    """Starts `sandbox-exporter run` with flags and environment variables."""

    def run(*flags: str, environment: dict[str, str] | None = None) -> Running:
        port = _free_port()
        command = [sys.executable, "-m", "sandbox_exporter", "run"]
        listen = ["--web.listen-address", f"127.0.0.1:{port}"]
        return start([*command, *listen, *flags], port, "/-/healthy", environment)

    return run


@pytest.fixture
def prometheus(
    start: Start, find_program: Callable[[str], str], tmp_path: Path
) -> Callable[..., Running]:
    """Starts a Prometheus that scrapes the given targets every second, on blocks if there are."""

    def run(*targets: str) -> Running:
        config = tmp_path / "prometheus.yml"
        addresses = ", ".join(f"'{target.removeprefix('http://')}'" for target in targets)
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "  - job_name: sandbox-exporter\n"
            f"    static_configs: [{{targets: [{addresses}]}}]\n"
        )
        port = _free_port()
        command = [
            find_program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        return start(command, port, "/-/ready")

    return run


@pytest.fixture
def write_blocks(find_program: Callable[[str], str], tmp_path: Path) -> Callable[[Path], None]:
    """Writes an OpenMetrics file into the blocks of the Prometheus to be started."""

    def write(openmetrics: Path) -> None:
        command = [find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
        written = subprocess.run(
            [*command, str(openmetrics), str(tmp_path / "tsdb")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert written.returncode == 0, written.stderr

    return write
