from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.commands.cli import main

if TYPE_CHECKING:
    from tests.unit.commands.conftest import Vendor


def test_one_poll_is_printed(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For cron and the textfile collector: metrics on standard output, success as status 0."""
    assert main(["once", "--config.file", str(config_file)]) == 0
    out = capsys.readouterr().out
    assert 'sandbox_account_cost_usd_total{provider="seacloud",account="prod"} 5.0\n' in out
    assert 'template_id="tpl-1"} 5.0\n' in out
    assert 'sandbox_up{provider="seacloud",account="prod"} 1.0\n' in out
    assert "sandbox_exporter_config_last_reload_successful 1.0\n" in out


def test_an_account_that_failed_is_exit_status_1(
    vendor: Vendor, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The metrics are printed all the same, and the reason is logged without the key."""
    vendor.status = 403
    assert main(["once", "--config.file", str(config_file), "--log.format", "json"]) == 1
    captured = capsys.readouterr()
    assert 'sandbox_up{provider="seacloud",account="prod"} 0.0\n' in captured.out
    assert '"reason": "forbidden"' in captured.err
    assert "made-up-key" not in captured.out + captured.err
