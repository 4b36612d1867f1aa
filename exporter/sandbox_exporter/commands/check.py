"""`sandbox-exporter check`: whether a configuration is right, and how many calls it will make."""

from __future__ import annotations

import argparse

from sandbox_exporter.commands.settings import load
from sandbox_exporter.config.model import DISCOVER, Account
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.poll.build import build_poller
from sandbox_exporter.poll.forecast import Forecast, forecast


def main(options: argparse.Namespace) -> int:
    """Prints a line for each account; mistakes are raised as `ConfigError`."""
    config = load(options.config_file)
    metrics = SelfMetrics()
    for account in config.accounts:
        poller = build_poller(account, config, metrics.account(account), served=lambda: 0.0)
        calls = forecast(account, poller.provider)
        print(f"{account.name} ({account.provider}): {_line(account, calls)}")
    return 0


def _line(account: Account, calls: Forecast) -> str:
    allowed = account.max_requests_per_minute * 60
    if calls.fixed > allowed:
        return (
            f"{calls.fixed} API calls per hour without any template, but max_requests_per_minute "
            f"allows {allowed}: some polls will fail, raise it or poll_interval"
        )
    if calls.least == calls.most:
        return f"{calls.least} API calls per hour"
    known = "how many templates there are and" if account.templates == DISCOVER else ""
    depends = f"depending on {known} how many are in use".replace("  ", " ")
    return f"{calls.least} to {calls.most} API calls per hour, {depends}"
