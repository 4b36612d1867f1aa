"""`sandbox-exporter demo`, as `make demo` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import PATIENCE


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Runs the demo on a free port; gives what it has printed so far."""
    log = tmp_path / "demo.log"
    command = [sys.executable, "-m", "sandbox_exporter", "demo"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--web.listen-address", "127.0.0.1:0"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield log.read_text
    process.terminate()
    assert process.wait(PATIENCE) == 0


def test_the_demo_serves_every_simulated_account(
    demo: Callable[[], str], eventually: Callable[[Callable[[], bool], str], None]
) -> None:
    """It prints where it is, and two SeaCloud accounts and one of Dreadnode are up there."""
    eventually(lambda: "Simulator: http://" in demo(), "the addresses")
    found = re.search(r"Metrics: +(http://\S+)/metrics", demo())
    assert found is not None
    url = found[1]

    def lines(begin: str) -> list[str]:
        text = httpx.get(f"{url}/metrics", trust_env=False, timeout=PATIENCE).text
        return [line for line in text.splitlines() if line.startswith(begin)]

    # A loaded machine may need a second poll for the last of the templates.
    eventually(lambda: len(lines("sandbox_template_cost_usd_total{")) == 17, "all templates")
    assert lines("sandbox_up{") == [
        'sandbox_up{provider="seacloud",account="prod"} 1.0',
        'sandbox_up{provider="seacloud",account="dev"} 1.0',
        'sandbox_up{provider="dreadnode",account="research"} 1.0',
    ]
