"""Durations as Prometheus users write them: `500ms`, `30s`, `1m30s`, `1h`, `2d`. A leaf."""

from __future__ import annotations

import re

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_DURATION = re.compile("".join(rf"(?:({_NUMBER}){unit})?" for unit in _MILLISECONDS))
_BARE_NUMBER = re.compile(rf"[-+]?{_NUMBER}")


def parse(text: str) -> float:
    """The seconds that `text` stands for: each unit at most once, the larger ones first.

    Raises `ValueError` with a message that says what is wrong, without the text itself.
    """
    if _BARE_NUMBER.fullmatch(text):
        raise ValueError("has no unit, write s, m or h behind the number")
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError("is not a duration such as 30s, 1m30s or 1h")
    parts = zip(match.groups(), _MILLISECONDS.values(), strict=True)
    return sum(float(number) * unit for number, unit in parts if number) / 1000


def format_seconds(seconds: float) -> str:
    """`seconds` (0 or more) the way `parse` reads it, to the millisecond: 90 is `1m30s`."""
    rest = round(seconds * 1000)
    text = ""
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            text += f"{count}{unit}"
    return text or "0s"
