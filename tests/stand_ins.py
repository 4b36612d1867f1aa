"""What stands in for a poller's HTTP client and observer where a test needs neither."""

from __future__ import annotations

from sandbox_exporter.errors import Reason


class NoClient:
    """A client of a made-up vendor that is called directly."""

    def begin(self, seconds: float) -> None:
        """Every answer comes at once."""

    def mask(self, text: str) -> str:
        """There is no secret."""
        return text

    async def aclose(self) -> None:
        """Nothing is open."""


class NoObserver:
    """Counts corrections, and nothing else."""

    def __init__(self) -> None:
        self.corrections = 0

    def request(self, endpoint: str, code: str, seconds: float) -> None: ...

    def error(self, endpoint: str, reason: Reason) -> None: ...

    def polled(self, seconds: float, ended: float) -> None: ...

    def corrected(self, count: int) -> None:
        self.corrections += count

    def skipped(self, count: int) -> None: ...
