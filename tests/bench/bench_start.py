"""From the command to its first page with an answer of the vendor."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.conftest import Start

RUNS = 11
TEMPLATES = 20
TARGET = 1.0


def test_start(program: Start, exporter: Start, environment: dict[str, str]) -> None:
    """The account is up on the first page that tells of it, with all its templates."""
    upstream = program("upstream", "--templates", TEMPLATES, "--active", TEMPLATES)
    seconds, bare, imports = [], [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        running = exporter(upstream)
        page = b""
        while b"\nsandbox_up{" not in page:
            page = running.get("/metrics")
        seconds.append(time.perf_counter() - began)
        assert b'\nsandbox_up{provider="seacloud",account="bench"} 1.0\n' in page
        assert page.count(b"\nsandbox_template_running_sandboxes{") == TEMPLATES
        running.end()
        bare.append(_python("pass", environment))
        imports.append(_python("import sandbox_exporter.commands.run", environment))
    print(
        f"\nstart of the command to the first page that says sandbox_up 1, {RUNS} times:"
        f"\n  {median(seconds):.3f} s median, {max(seconds):.3f} s at most:"
        f" ratio to {TARGET:.0f} s {median(seconds) / TARGET:.2f}"
        f"\n  python alone {median(bare):.3f} s, python and the imports {median(imports):.3f} s"
    )


def _python(code: str, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return time.perf_counter() - began
