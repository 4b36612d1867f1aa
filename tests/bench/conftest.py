"""What the benchmarks share: programs in processes of their own, and a scraper."""

from __future__ import annotations

import faulthandler
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
LONGEST_SECONDS = 2 * 3600
"""After which a benchmark hangs."""


class Running(NamedTuple):
    """A program and the port that it serves."""

    process: subprocess.Popen[str]
    port: int

    def memory(self, line: str) -> float:
        """Megabytes (10^6) that a line of /proc/PID/status tells, such as VmRSS or VmHWM."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(f"{line}:")[2].split()[0]) * 1024 / 1e6

    def cpu_seconds(self) -> float:
        """Seconds of CPU that the program has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str, encoding: str = "identity") -> bytes:
        """The body of an answer, as it came."""
        address = f"http://127.0.0.1:{self.port}{path}"
        request = Request(address, headers={"Accept-Encoding": encoding})
        with urlopen(request) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body

    def status(self, path: str) -> int:
        """The status of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status

    def end(self) -> None:
        """Ends the program and waits until it has."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        self.process.communicate(timeout=START_SECONDS)


class Scraper:
    """Scrapes as Prometheus does: gzip, and one connection that stays open."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(64 << 20))

    def scrape(self) -> tuple[float, bytes]:
        """Seconds from the request to the last byte, and the body as it came."""
        began = time.perf_counter()
        self._socket.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        filled, size = 0, len(self._buffer)
        start = 0
        while filled < size:
            received = self._socket.recv_into(self._buffer[filled:])
            assert received, "the server closed the connection"
            filled += received
            if not start:
                head, found, _ = bytes(self._buffer[: min(filled, 4096)]).partition(b"\r\n\r\n")
                if found:
                    start = len(head) + 4
                    size = start + _length(head)
        seconds = time.perf_counter() - began
        return seconds, bytes(self._buffer[start:size])

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


def _length(head: bytes) -> int:
    assert head.startswith(b"HTTP/1.1 200 "), head
    return int(head.lower().partition(b"\r\ncontent-length:")[2].split()[0])


@pytest.fixture(autouse=True)
def longer_than_a_test() -> None:
    """A benchmark may measure over many minutes: what ends a hung test ends it only after hours."""
    faulthandler.dump_traceback_later(LONGEST_SECONDS, exit=True)


Report = Callable[..., str]
Start = Callable[..., Running]
"""Starts a program: its arguments, and optionally `port` for one that does not print its own."""


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of the programs."""
    path = os.pathsep.join((str(ROOT / "exporter"), os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": path, "BENCH_KEY": "bench-key"}


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts programs, and ends them after the test; their log is `log` in `tmp_path`."""
    with ExitStack() as programs, (tmp_path / "log").open("w") as log:

        def launch(*command: str, port: int = 0, printing: bool = False) -> Running:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=None if port and not printing else subprocess.PIPE,
                stderr=log,
                text=True,
            )
            running = Running(process, port)
            programs.callback(running.end)
            if port:
                _await_port(process, port)
                return running
            assert process.stdout is not None
            return Running(process, int(process.stdout.readline()))

        yield launch


def _await_port(process: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "the program ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < until, "the program does not listen"
            time.sleep(0.005)
        else:
            return


@pytest.fixture
def program(start: Start) -> Start:
    """Starts one of the programs in `tests/bench/programs`."""
    return lambda name, *options: start(
        sys.executable, "-m", f"tests.bench.programs.{name}", *map(str, options)
    )


@pytest.fixture
def report(environment: dict[str, str]) -> Report:
    """Runs one of the programs in `tests/bench/programs` to its end; what it printed."""

    def run(name: str, *options: object) -> str:
        command = (sys.executable, "-m", f"tests.bench.programs.{name}", *map(str, options))
        return subprocess.check_output(command, cwd=ROOT, env=environment, text=True)

    return run


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on."""

    def find() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
        return port

    return find


@pytest.fixture
def exporter(start: Start, free_port: Callable[[], int], tmp_path: Path) -> Start:
    """Starts the real command for one account; options are lines of the account's section."""

    def run(upstream: Running, *lines: str) -> Running:
        file = tmp_path / "config.yml"
        section = (
            "name: bench",
            "provider: seacloud",
            f"base_url: http://127.0.0.1:{upstream.port}",
            "api_key: {env: BENCH_KEY}",
            *lines,
        )
        file.write_text("accounts:\n  - " + "\n    ".join(section) + "\n")
        port = free_port()
        return start(
            *(sys.executable, "-m", "sandbox_exporter", "run"),
            *("--config.file", str(file), "--web.listen-address", f"127.0.0.1:{port}"),
            port=port,
        )

    return run


@pytest.fixture
def scraper() -> Iterator[Callable[[int], Scraper]]:
    """Connects scrapers, and closes them after the test."""
    with ExitStack() as connections:

        def connect(port: int) -> Scraper:
            connected = Scraper(port)
            connections.callback(connected.close)
            return connected

        yield connect
