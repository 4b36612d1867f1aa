"""Checks of single values. Each raises `ValueError` saying what is wrong and what is allowed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import TypeVar

from sandbox_exporter.config import durations
from sandbox_exporter.config.section import Check

T = TypeVar("T")
_SHOWN = 60
_SLUG = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


def show(value: object) -> str:
    """A value for a message: scalars as YAML would have them, cut to a line, others by kind."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
        return json.dumps(cut, ensure_ascii=not cut.isprintable())
    return json.dumps(value)


def refusal(value: object, wrong: str, allowed: str) -> ValueError:
    """The error for a value: missing if it is null, else shown with what is wrong about it."""
    if value is None:
        return ValueError(f"is missing, allowed: {allowed}")
    return ValueError(f"{show(value)} {wrong}, allowed: {allowed}")


def duration(low: float, high: float) -> Check[float]:
    """Seconds from a text such as `1m30s`, within `low` to `high`."""
    allowed = f"{durations.format_seconds(low)} to {durations.format_seconds(high)}"

    def check(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise refusal(value, "has no unit, write s, m or h behind the number", allowed)
        if not isinstance(value, str):
            raise refusal(value, "is not a duration such as 30s, 1m30s or 1h", allowed)
        try:
            seconds = durations.parse(value)
        except ValueError as error:
            raise refusal(value, str(error), allowed) from None
        if not low <= seconds <= high:
            raise refusal(value, "is out of range", allowed)
        return seconds

    return check


def whole(low: int, high: int) -> Check[int]:
    """A whole number within `low` to `high`."""
    allowed = f"{low} to {high}"

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise refusal(value, "is not a whole number", allowed)
        if not low <= value <= high:
            raise refusal(value, "is out of range", allowed)
        return value

    return check


def amount(value: object) -> float:
    """A finite number above 0."""
    allowed = "a number above 0"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise refusal(value, "is not a number", allowed)
    if not (math.isfinite(value) and value > 0):
        raise refusal(value, "is out of range", allowed)
    return float(value)


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refusal(value, "is neither", "true or false")
    return value


def text(limit: int, characters: str = "printable characters") -> Check[str]:
    """Printable text of 1 to `limit` characters, without white space around it."""
    allowed = f"1 to {limit} {characters}"

    def check(value: object) -> str:
        if isinstance(value, int | float):
            raise refusal(value, "is not text, put it in quotes", allowed)
        if not isinstance(value, str):
            raise refusal(value, "is not text", allowed)
        if not value:
            raise refusal(value, "is empty", allowed)
        if len(value) > limit:
            raise refusal(value, f"has {len(value)} characters", allowed)
        if not value.isprintable():
            raise refusal(value, "holds characters that do not print", allowed)
        if value != value.strip():
            raise refusal(value, "has white space around it", allowed)
        return value

    return check


def header_text(limit: int) -> Check[str]:
    """Like `text`, and ASCII only, since it is sent in an HTTP header."""
    characters = "printable ASCII characters"
    any_text = text(limit, characters)

    def check(value: object) -> str:
        checked = any_text(value)
        if not checked.isascii():
            raise refusal(value, "is not ASCII", f"1 to {limit} {characters}")
        return checked

    return check


def slug(value: object) -> str:
    """A name that is safe as one segment of a URL's path."""
    allowed = "1 to 128 letters, digits, dots, dashes and underscores, no dot in front"
    if not isinstance(value, str):
        raise refusal(value, "is not text", allowed)
    if not _SLUG.fullmatch(value):
        raise refusal(value, "cannot be part of a URL's path", allowed)
    return value


def choice(options: Mapping[str, T]) -> Check[T]:
    """What one of the names in `options` stands for."""
    allowed = " or ".join(options)

    def check(value: object) -> T:
        if not isinstance(value, str) or value not in options:
            raise refusal(value, "is not one of them", allowed)
        return options[value]

    return check


def mapping(value: object) -> dict[str, object]:
    """A mapping; text in its place is not shown, as it may be a misplaced secret."""
    if isinstance(value, dict):
        return value
    shown = "text" if isinstance(value, str) else show(value)
    raise ValueError(f"{shown} is not a mapping, allowed: keys with values")
