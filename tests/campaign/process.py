"""The real exporter as a process: started, scraped, measured, killed."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_START = 60.0
"""Seconds after which a process that does not answer is taken for dead."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Exporter:
    """One run of `sandbox-exporter run`, its log in a file that later runs append to."""

    def __init__(self, config: Path, log: Path, *flags: str, env: Mapping[str, str]) -> None:
        self.port = free_port()
        self.log = log
        clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        listen = ("--web.listen-address", f"127.0.0.1:{self.port}")
        command = (sys.executable, "-m", "sandbox_exporter", "run", "--config.file", str(config))
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *listen, *flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**clean, **env},
            )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def get(
        self, path: str, accept: str = "text/plain", timeout: float = 60.0
    ) -> tuple[int, bytes]:
        """Status and body of a GET on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Accept": accept, "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_ready(self, path: str = "/-/ready") -> None:
        """Waits until each account was tried once."""
        end = time.monotonic() + _START
        while True:
            assert self.alive, f"the exporter ended with {self.process.returncode}: see {self.log}"
            assert time.monotonic() < end, f"{path} is not 200 after {_START:.0f} s"
            try:
                if self.get(path)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)

    def memory(self, field: str = "VmRSS") -> float:
        """Memory in MB (10^6 bytes) by a field of `/proc/PID/status`."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (kib,) = re.findall(rf"{field}:\s+(\d+) kB", text)
        return int(kib) * 1024 / 1e6

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - only their number

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ends it in order; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            return -9
