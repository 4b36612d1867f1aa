"""What polling reports of itself, for the exporter's own metrics."""

from __future__ import annotations

from typing import Protocol

from sandbox_exporter.client import Observer


class PollObserver(Observer, Protocol):
    """Counts one account's calls and polls."""

    def polled(self, seconds: float, ended: float) -> None:
        """A poll ended after `seconds`, at `ended` (Unix seconds)."""

    def corrected(self, count: int) -> None:
        """`count` answers held a month's total below an earlier one."""

    def skipped(self, count: int) -> None:
        """`count` templates were not asked, for the account's totals prove them unchanged."""
