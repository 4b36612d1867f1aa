"""Real processes on loopback ports: the simulator, the exporter, Prometheus."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.e2e import stores

collect_ignore = [] if stores.BUILT else ["test_created.py", "test_stores_otlp.py"]
PATIENCE = 240.0
"""Seconds after which something that should have happened is taken for broken, also on a machine
that is busy with other work."""


def _listening(process: subprocess.Popen[str]) -> int | None:
    """The port on 127.0.0.1 that a process listens on; None while there is none.

    A server that is told to take port 0 gets a free one from the system. A port chosen here for it
    could be somebody else's by the time that it starts.
    """
    try:
        files = [str(file.readlink()) for file in Path(f"/proc/{process.pid}/fd").iterdir()]
        table = Path(f"/proc/{process.pid}/net/tcp").read_text()
    except OSError:
        return None  # it has just closed one of them, or ended
    own = {match[1] for file in files if (match := re.fullmatch(r"socket:\[(\d+)\]", file))}
    for row in (line.split() for line in table.splitlines()[1:]):
        host, port = row[1].split(":")
        if (host, row[3]) == ("0100007F", "0A") and row[9] in own:
            return int(port, 16)
    return None


@dataclass(frozen=True)
class Running:
    """A process that serves HTTP, and what it printed."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def get(self, path: str, **options: object) -> httpx.Response:
        """A GET of a path."""
        return httpx.get(f"{self.url}{path}", timeout=PATIENCE, trust_env=False, **options)  # type: ignore[arg-type]

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
def serving(
    command: list[str], port: int, ready: str, log: Path, environment: dict[str, str]
) -> Iterator[Running]:
    """Runs a server until the end of the `with`, from when it answers `ready` on."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, text=True
        )

    def listens() -> bool:
        nonlocal port
        assert process.poll() is None, log.read_text()
        port = port or _listening(process) or 0
        return bool(port)

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return running.get(ready).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(listens, f"{command[:4]} listens")
        running = Running(process, f"http://127.0.0.1:{port}", log)
        wait_until(answers, f"{command[:4]} at {running.url}{ready}")
        yield running
    finally:
        process.terminate()
        process.wait(PATIENCE)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server as a process of its own; all are ended with the test.

    Its port is 0 where the command lets the server choose, as commands should.
    """
    logs = count(1)
    with ExitStack() as stack:

        def start_one(
            command: list[str], port: int, ready: str, environment: dict[str, str] | None = None
        ) -> Running:
            log = tmp_path / f"server-{next(logs)}.log"
            base = {name: value for name, value in os.environ.items() if "_proxy" not in name}
            server = serving(command, port, ready, log, base | (environment or {}))
            return stack.enter_context(server)

        yield start_one


@pytest.fixture
def simulator(start: Start) -> Running:
    """The simulator, by the command that users have."""
    command = [sys.executable, "-m", "sandbox_exporter", "simulate", "--listen", "127.0.0.1:0"]
    return start(command, 0, "/_sim/clock")


@pytest.fixture
def exporter(start: Start) -> Callable[..., Running]:
    """Starts `sandbox-exporter run` with flags and environment variables."""

    def run(*flags: str, environment: dict[str, str] | None = None) -> Running:
        command = [sys.executable, "-m", "sandbox_exporter", "run"]
        listen = ["--web.listen-address", "127.0.0.1:0"]
        return start([*command, *listen, *flags], 0, "/-/healthy", environment)

    return run


@pytest.fixture(params=stores.AVAILABLE)
def store(
    request: pytest.FixtureRequest, find_program: Callable[[str], str], tmp_path: Path
) -> stores.Store:
    """Each store that is here: Debian's Prometheus, with `make test-stores` the others too."""
    return stores.store(request.param, find_program, tmp_path)


@pytest.fixture
def prometheus(start: Start, store: stores.Store, tmp_path: Path) -> Callable[..., Running]:
    """Starts the store, which scrapes the given targets every second and has what was written."""

    def run(*targets: str) -> Running:
        config = tmp_path / "prometheus.yml"
        addresses = ", ".join(f"'{target.removeprefix('http://')}'" for target in targets)
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            "  - job_name: sandbox-exporter\n"
            f"    static_configs: [{{targets: [{addresses}]}}]\n"
        )
        running: Running = store.start(start, config)
        return running

    return run


@pytest.fixture
def write_blocks(store: stores.Store) -> Callable[[Path], None]:
    """Writes an OpenMetrics file into the store that is to be started."""
    return store.write
