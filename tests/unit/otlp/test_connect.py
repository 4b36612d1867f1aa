from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import sandbox_exporter
from sandbox_exporter.config.model import Config
from sandbox_exporter.daemon import Daemon
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp import connect

CONNECT = """
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.otlp import connect

metrics = SelfMetrics()
try:
    made = connect(Publisher(metrics), metrics, wanted={wanted})
except ConfigError as error:
    print(error)
"""


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    environment = {"PYTHONPATH": str(Path(sandbox_exporter.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nothing_is_imported_while_it_is_off() -> None:
    """Whoever only scrapes pays neither memory nor start-up time for OTLP."""
    code = "import sys\n" + CONNECT.format(wanted=False)
    code += "print(made, [name for name in sys.modules if 'opentelemetry' in name])"

    assert run(code) == "None []"


def test_a_missing_extra_is_told() -> None:
    """The message says what to install."""
    code = "import sys\nsys.modules['opentelemetry'] = None\n" + CONNECT.format(wanted=True)

    assert run(code) == (
        "OTLP is on, but needs more packages: pip install 'sandbox-usage-exporter[otlp]' "
        "(opentelemetry.sdk is missing)"
    )


def test_variables_that_cannot_be_used_are_refused(
    metrics: SelfMetrics, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter does not start with half of its outputs."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "often")

    with pytest.raises(ConfigError, match="OTEL_METRIC_EXPORT_INTERVAL: is not a whole number"):
        connect(publisher, metrics, wanted=True)


@pytest.mark.anyio
async def test_a_reload_cannot_turn_it_on() -> None:
    """What is sent where is decided when the exporter starts; a reload says so."""
    daemon = Daemon(Config(()), lambda: Config((), otlp=True))

    with pytest.raises(ConfigError, match="otlp: cannot change without a restart"):
        await daemon.reload()


def test_a_birth_is_over_once_all_who_are_served_have_seen_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scrapes and exports count alike, and nobody waits for what is off."""

    def served(*, scraped: bool, scrapes: float, exports: float | None) -> float:
        telemetry = exports and SimpleNamespace(sends_metrics=True, served=lambda _: exports)
        monkeypatch.setattr("sandbox_exporter.otlp.connect", lambda *_, **__: telemetry)
        daemon = Daemon(Config(()), lambda: Config(()), scraped=scraped)
        monkeypatch.setattr(daemon.publisher, "served", lambda _: scrapes)
        return daemon._pipeline.served("prod")

    assert served(scraped=True, scrapes=5, exports=None) == 5
    assert served(scraped=True, scrapes=5, exports=3) == 3
    assert served(scraped=True, scrapes=2, exports=3) == 2
    assert served(scraped=False, scrapes=2, exports=3) == 3
