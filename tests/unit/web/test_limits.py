"""What few file descriptors leave to clients."""

from __future__ import annotations

import os
import re
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from sandbox_exporter.web import limits

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n"


def test_idle_clients_of_a_process_with_few_files() -> None:
    """More of them than it may open files keep nobody out, and no warning is logged."""
    command = [sys.executable, "-m", "sandbox_exporter", "run", "--web.listen-address=127.0.0.1:0"]
    vendor = {"SEACLOUD_API_KEY": "made-up", "SEACLOUD_BASE_URL": "http://127.0.0.1:9"}
    with subprocess.Popen(
        ["sh", "-c", 'ulimit -n 64 && exec "$@"', "sh", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | vendor,
    ) as process:
        assert process.stdout is not None
        address = None
        while address is None:
            line = process.stdout.readline()
            assert line, "it ended"
            address = re.search(r"address=http://127\.0\.0\.1:(\d+)", line)
        try:
            with ExitStack() as connections:
                for _ in range(100):
                    connection = socket.create_connection(("127.0.0.1", int(address[1])), 20)
                    connections.enter_context(connection)
                    connection.sendall(REQUEST)
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        finally:
            process.terminate()
            rest, _ = process.communicate()
    assert "cannot accept" not in rest


@pytest.mark.parametrize(
    ("files", "most"), [(64, 32), (4, 10), (1024, 500), (10**6, 500), (resource.RLIM_INFINITY, 500)]
)
def test_half_of_the_files(monkeypatch: pytest.MonkeyPatch, files: int, most: int) -> None:
    """Polls and the program itself need some too."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert limits._connections() == most
