"""What polling reports of itself, for the exporter's own metrics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sandbox_exporter.client import Observer
from sandbox_exporter.errors import Reason
from sandbox_exporter.supervisor import FaultLog


class PollObserver(Observer, Protocol):
    """Counts one account's calls and polls."""

    def polled(self, seconds: float, ended: float) -> None:
        """A poll ended after `seconds`, at `ended` (Unix seconds)."""

    def corrected(self, count: int) -> None:
        """`count` answers held a month's total below an earlier one."""

    def skipped(self, count: int) -> None:
        """`count` templates were not asked, for the account's totals prove them unchanged."""


class ContainedObserver:
    """Passes on to another observer, whose faults are logged and disturb no call and no poll."""

    def __init__(self, observer: PollObserver, faults: FaultLog) -> None:
        self._observer = observer
        self._faults = faults

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """See `Observer`."""
        with self._contained("counting a request"):
            self._observer.request(endpoint, code, seconds)

    def error(self, endpoint: str, reason: Reason) -> None:
        """See `Observer`."""
        with self._contained("counting an error"):
            self._observer.error(endpoint, reason)

    def polled(self, seconds: float, ended: float) -> None:
        """See `PollObserver`."""
        with self._contained("counting a poll"):
            self._observer.polled(seconds, ended)

    def corrected(self, count: int) -> None:
        """See `PollObserver`."""
        with self._contained("counting corrections"):
            self._observer.corrected(count)

    def skipped(self, count: int) -> None:
        """See `PollObserver`."""
        with self._contained("counting skipped templates"):
            self._observer.skipped(count)

    @contextmanager
    def _contained(self, where: str) -> Iterator[None]:
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - it is noted
            self._faults.note(where, fault)
        else:
            self._faults.over(where)
