"""Which time is backfilled, at which resolution, and the windows in which it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from sandbox_exporter.config import durations
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.vendors.base import Cycle

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Span:
    """The seconds [start, end) of Unix time."""

    start: int
    end: int

    @classmethod
    def parse(cls, start: str, end: str | None, now: float) -> Self:
        """The span from `start` to `end` (None: now), cut to whole minutes.

        Raises `ValueError` with a message that names the flag.
        """
        first = _moment("--from", start, now)
        last = now if end is None else _moment("--to", end, now)
        if last > now:
            raise ValueError("--to: is in the future")
        span = cls(int(first), int(last)).aligned(Cycle.MINUTE)
        if span.start >= span.end:
            raise ValueError("--from: must be before --to, a minute at least")
        return span

    def aligned(self, resolution: Cycle) -> Self:
        """The span with both ends cut to multiples of the resolution in UTC."""
        return type(self)(
            self.start // resolution * resolution, self.end // resolution * resolution
        )

    def months(self) -> Sequence[Window]:
        """For each month, what a poll at its last second within the span would ask for."""
        months: list[Window] = []
        month = Month.at(self.start)
        while month.start < self.end:
            months.append(Window(month, month.start, min(month.end, self.end)))
            month = month.next()
        return months

    def windows(self, resolution: Cycle) -> Iterator[Window]:
        """The parts in which trends are asked for: UTC days, at resolution `DAY` months."""
        start = self.start
        while start < self.end:
            month = Month.at(start)
            limit = month.end if resolution is Cycle.DAY else (start // Cycle.DAY + 1) * Cycle.DAY
            end = min(limit, self.end)
            yield Window(month, start, end)
            start = end

    def __str__(self) -> str:
        return f"{iso(self.start)} to {iso(self.end)}"


def iso(moment: int) -> str:
    """A moment as people read it, in UTC."""
    text = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return text.removesuffix("T00:00:00Z")


def _moment(flag: str, text: str, now: float) -> float:
    """A date or time (UTC without a zone), or a duration before now, as Unix seconds."""
    try:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        try:
            seconds = now - durations.parse(text)
        except ValueError:
            raise ValueError(
                f"{flag}: must be a date (2026-01-31), a time (2026-01-31T12:00, UTC without a "
                "zone) or a duration before now (31d)"
            ) from None
    if seconds < _EARLIEST:
        raise ValueError(f"{flag}: is before the year 2000")
    return seconds
