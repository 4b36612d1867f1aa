"""The virtual fleet of one Dreadnode organization."""

from __future__ import annotations

from functools import lru_cache

from sandbox_exporter.billing import Month
from sandbox_exporter.simulator.history import History, total
from sandbox_exporter.simulator.templates import Template

OPENED_MS = 1_780_272_000_000
"""2026-06-01 UTC: the organization has no sessions from before."""

_TEMPLATES = (
    Template(id="attack", name="attack", sessions_per_day=45, mean_runtime=1500, peak_hour=15),
    Template(id="evaluate", name="evaluate", sessions_per_day=30, mean_runtime=700, peak_hour=10),
)


class Organization:
    """An organization's sessions: a pure function of seed, name and time, never falling."""

    def __init__(self, seed: int, account: str) -> None:
        self._histories = [
            History(f"{seed}/{account}", template, OPENED_MS) for template in _TEMPLATES
        ]
        # Months that are over never change, so a lifetime total costs one month's work.
        self._closed_month_ms = lru_cache(maxsize=None)(self._month_ms)

    def runtime_ms(self, start: int, end: int) -> int:
        """Exact runtime of [start, end), in ms; both are Unix ms."""
        return total(self._histories, start, end).runtime_ms

    def lifetime_ms(self, until: int) -> int:
        """Runtime since the organization was opened, in ms."""
        month, current = Month.at(OPENED_MS / 1000), Month.at(until / 1000)
        runtime = 0
        while month < current:
            runtime += self._closed_month_ms(month)
            month = month.next()
        return runtime + self.runtime_ms(current.start * 1000, max(until, current.start * 1000))

    def sessions(self, until: int) -> int:
        """Sessions begun since the organization was opened."""
        return sum(history.sessions(until) for history in self._histories)

    def _month_ms(self, month: Month) -> int:
        return self.runtime_ms(month.start * 1000, month.end * 1000)
