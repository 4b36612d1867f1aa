"""SeaCloud's query parameters: read, checked and refused as its documentation says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sandbox_exporter.ledger.month import Month
from sandbox_exporter.simulator.sessions import MS_PER_DAY
from sandbox_exporter.simulator.stand_in import Params, Refused

_LARGEST_SECONDS = 100_000_000_000
"""Instants below this are seconds (the year 5138), others ms (from 1973 on)."""
_LATEST_MS = 253_402_300_799_999
_ALIASES = {"start_time": "start_at", "end_time": "end_at"}
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_LARGEST_PAGE = 100


class Window(NamedTuple):
    """The ms [start, end) of which a request asks; the vendor's own end is inclusive."""

    start: int
    end: int

    @property
    def echo(self) -> dict[str, int]:
        """The window as answers repeat it: Unix ms, the last one cut to whole seconds."""
        return {"start_time": self.start, "end_time": (self.end - 1) // 1000 * 1000}


def summary_window(params: Params, now_ms: int) -> Window:
    """The explicit window, else the period so far; the current month by default."""
    period = params.get("period") or "current_month"
    if period not in {"today", "current_month"}:
        raise Refused(400, "period must be today or current_month")
    explicit = _explicit(params)
    if explicit:
        return explicit
    if period == "today":
        return Window(now_ms // MS_PER_DAY * MS_PER_DAY, now_ms)
    return Window(Month.at(now_ms / 1000).start * 1000, now_ms)


def cycle_window(params: Params, cycles: Mapping[str, int]) -> tuple[str, Window]:
    """The cycle and the window, both required.

    `cycles` has the longest window of each cycle in days; cycle `day` also asks for one at least.
    """
    cycle = params.get("cycle_type", "")
    if cycle not in cycles:
        raise Refused(400, f"cycle_type must be {' or '.join(cycles)}")
    window = _explicit(params)
    if window is None:
        raise Refused(400, "start_time and end_time are required")
    seconds = -(-window.end // 1000) - window.start // 1000
    longest = cycles[cycle] * MS_PER_DAY
    # The end is inclusive: a window of a whole day may also be said to end at the next one's start.
    if window.end - 1 - window.start > longest:
        raise Refused(400, f"the window of cycle_type={cycle} must not exceed {_days(longest)}")
    if cycle == "day" and seconds * 1000 < MS_PER_DAY:
        raise Refused(400, "the window of cycle_type=day must be 1 day at least")
    return cycle, window


def month(params: Params, now_ms: int) -> Month:
    """The month asked for, else the current one."""
    text = params.get("month", "")
    if not text:
        return Month.at(now_ms / 1000)
    match = _MONTH.fullmatch(text)
    if not match or int(match[1]) < 1970:
        raise Refused(400, "month must be YYYY-MM")
    return Month(int(match[1]), int(match[2]))


def template(params: Params) -> str | None:
    """The template asked for; None for all."""
    template_id = params.get("template_id", "")
    return None if template_id in {"", "all"} else template_id


def page(params: Params) -> tuple[int, int]:
    """Offset and limit of a page. The vendor's clients refuse limits over 100."""
    limit = _count(params, "limit")
    offset = _count(params, "offset")
    if limit > _LARGEST_PAGE:
        raise Refused(400, f"limit must be 0 to {_LARGEST_PAGE}")
    return offset, limit or _LARGEST_PAGE


def _explicit(params: Params) -> Window | None:
    start, end = _instant(params, "start_time"), _instant(params, "end_time")
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise Refused(400, "start_time and end_time must be given together")
    if end < start:
        raise Refused(400, "end_time must not be before start_time")
    return Window(start, end + 1)


def _instant(params: Params, name: str) -> int | None:
    text = params.get(name) or params.get(_ALIASES[name])
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) > _LATEST_MS:
        raise Refused(400, f"{name} must be Unix milliseconds")
    instant = int(text)
    return instant * 1000 if instant < _LARGEST_SECONDS else instant


def _count(params: Params, name: str) -> int:
    text = params.get(name, "") or "0"
    if not re.fullmatch("[0-9]{1,9}", text):
        raise Refused(400, f"{name} must be an integer of 0 or more")
    return int(text)


def _days(length_ms: int) -> str:
    days = length_ms // MS_PER_DAY
    return "24 hours" if days == 1 else f"{days} days"
