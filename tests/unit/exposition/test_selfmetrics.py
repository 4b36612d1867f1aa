from __future__ import annotations

import prometheus_client

from sandbox_exporter import __version__
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from tests.rendering import write

PROD = Account("prod", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))
LABELS = 'account="prod",provider="seacloud"'


def served(metrics: SelfMetrics) -> str:
    """The text of the exporter's own metrics."""
    owners = [("seacloud", "prod"), ("dreadnode", "other")]
    return write(metrics.families(owners))[0] + metrics.render()[0]


def test_what_runs_is_told() -> None:
    """Version, process and Python, in a registry that is nobody else's."""
    text = served(SelfMetrics())
    assert 'sandbox_exporter_build_info{python_version="3.' in text
    assert f'version="{__version__}"}} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text
    assert b"sandbox_" not in prometheus_client.generate_latest()


def test_both_formats_are_whole() -> None:
    """OpenMetrics ends with its mark; the text format has no gauges of creation times."""
    text, openmetrics = SelfMetrics().render()
    assert openmetrics.endswith("# EOF\n")
    assert "_created" not in text + openmetrics


def test_an_accounts_calls_are_counted() -> None:
    """Requests by code, their durations, errors by reason."""
    metrics = SelfMetrics()
    account = metrics.account(PROD)
    account.request("summary", "200", 0.3)
    account.request("summary", "timeout", 30.0)
    account.error("summary", Reason.TIMEOUT)
    account.polled(1.5, 1.8e9)
    account.corrected(2)
    account.skipped(40)
    text = served(metrics)
    endpoint = 'endpoint="summary",provider="seacloud"'
    call = f'account="prod",{endpoint}'
    coded = 'account="prod",code="200",endpoint="summary",provider="seacloud"'
    for line in (
        f"sandbox_exporter_api_requests_total{{{coded}}} 1.0",
        f"sandbox_exporter_api_request_duration_seconds_count{{{endpoint}}} 2.0",
        f'sandbox_exporter_api_errors_total{{{call},reason="timeout"}} 1.0',
        f"sandbox_exporter_poll_duration_seconds{{{LABELS}}} 1.5",
        f"sandbox_exporter_last_poll_timestamp_seconds{{{LABELS}}} 1800000000.0",
        f"sandbox_exporter_corrections_total{{{LABELS}}} 2.0",
        f"sandbox_exporter_template_calls_skipped_total{{{LABELS}}} 40.0",
    ):
        assert line in text


def test_plain_counters_start_at_zero() -> None:
    """An increase from nothing would not be seen; before its first poll an account has none."""
    metrics = SelfMetrics()
    account = metrics.account(PROD)
    assert "prod" not in served(metrics)
    account.corrected(0)
    assert f"sandbox_exporter_corrections_total{{{LABELS}}} 0.0" in served(metrics)


def test_an_account_is_forgotten_without_a_trace() -> None:
    """Also one that never made a call; others stay."""
    metrics = SelfMetrics()
    other = Account("other", "dreadnode", "http://127.0.0.1", SecretRef("env", "NONE"))
    for configured in (PROD, other):
        account = metrics.account(configured)
        account.request("summary", "200", 0.3)
        account.error("summary", Reason.AUTH)
        account.polled(1.0, 1.8e9)
    metrics.forget(PROD)
    assert "prod" not in served(metrics)
    assert 'account="other"' in served(metrics)
    metrics.forget(PROD)


def test_reloads_are_told() -> None:
    """A refused one leaves the time of the last that was taken."""
    metrics = SelfMetrics()
    metrics.reloaded(1000.0, ok=True)
    metrics.reloaded(2000.0, ok=False)
    text = served(metrics)
    assert "sandbox_exporter_config_last_reload_successful 0.0" in text
    assert "sandbox_exporter_config_last_reload_success_timestamp_seconds 1000.0" in text
