"""Reading vendors' JSON with distrust: every number is checked, every failure names its field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import cast

from sandbox_exporter.errors import AnswerError
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import GB, GIB, HOUR, Field, Readings

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_LARGEST = 1e15
"""No total comes near this in any vendor's unit; a counter would hold the mistake for a month."""
_LONGEST_TEXT = 256
_SLACK = 86400.0
"""Seconds by which a vendor's clock or time zone may make a window longer than was asked."""
_DOLLARS_A_SECOND = 1e6 / HOUR
_LONGEST_MONTH = 31 * 86400.0

_FASTEST: Mapping[Field, float] = {
    Field.VCPU_SECONDS: 1e6,
    Field.MEMORY_BYTE_SECONDS: 1e7 * GIB,
    Field.DATA_TRANSFER_BYTES: 1e3 * GB,
    Field.COST_USD: _DOLLARS_A_SECOND,
    Field.MONTH_RUNTIME_SECONDS: 1e7,
}
"""The most that an account can use in a second: a million vCPUs, ten million GiB, and so on."""
_MOST: Mapping[Field, float] = {
    Field.RUNNING_SANDBOXES: 1e7,
    Field.PAUSED_STORAGE_BYTES: 2.0**60,
    Field.STORAGE_USED_BYTES: 2.0**60,
    Field.STORAGE_FREE_BYTES: 2.0**60,
    Field.BILLED_COST_CURRENT_USD: _DOLLARS_A_SECOND * _LONGEST_MONTH,
    Field.BILLED_COST_PREVIOUS_USD: _DOLLARS_A_SECOND * _LONGEST_MONTH,
    Field.RUNTIME_SECONDS: 1e14,
    Field.SESSIONS: 1e12,
}
"""The most of what does not grow with the time asked for: an EiB, ten million sandboxes..."""


def unexpected(path: str, expected: str, value: object) -> AnswerError:
    """An error that names the field, what was expected there, and the type (not the text) found."""
    found = repr(value) if isinstance(value, int | float) else _type_name(value)
    return AnswerError(f"{path}: expected {expected}, got {found}")


def mapping(value: object, path: str) -> Mapping[str, object]:
    """`value` as a JSON object."""
    if not isinstance(value, dict):
        raise unexpected(path, "an object", value)
    return cast(Mapping[str, object], value)


def amount(parent: Mapping[str, object], key: str, path: str = "") -> float | None:
    """The finite number >= 0 at `key`; None where it is missing or null.

    Numeric strings count as numbers. Anything else is a `schema` error.
    """
    value = parent.get(key)
    if value is None:
        return None
    where = f"{path}.{key}" if path else key
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) <= _LARGEST else math.inf
    else:
        raise unexpected(where, "a number", value)
    if not 0 <= number <= _LARGEST:
        raise unexpected(where, f"a number from 0 to {_LARGEST:.0e}", number)
    return number + 0.0  # turns -0.0 into 0.0


def quantities(
    answer: Mapping[str, object],
    fields: Mapping[str, Field],
    window: Window,
    units: Mapping[Field, float] | None = None,
) -> Readings:
    """The quantities of an answer in base units: the number at each key times its field's unit.

    Missing and null values are left out; an answer with none of the keys is a `schema` error, for
    it is not the answer that was asked for. So is a number that nobody can have used in `window`.
    """
    if not any(key in answer for key in fields):
        raise AnswerError(f"answer: expected one of {', '.join(fields)}")
    readings: dict[Field, float] = {}
    for key, field in fields.items():
        value = amount(answer, key)
        if value is not None:
            unit = (units or {}).get(field, 1)
            readings[field] = value * unit
            most = most_of(field, window)
            if readings[field] > most:
                raise AnswerError(f"{key}: {value:g} is over {most / unit:g}, the most possible")
    return readings


def most_of(field: Field, window: Window) -> float:
    """The most of a quantity that an answer for `window` can tell, in base units.

    Bounded so generously that no account comes near it: a vendor's mistake beyond it would be
    held by a counter for the rest of the month.
    """
    if field in _FASTEST:
        return _FASTEST[field] * (window.end - window.start + _SLACK)
    return _MOST[field]


def text(parent: Mapping[str, object], key: str, path: str = "") -> str:
    """The text at `key`, cut to a label's sane length; empty where it is missing or null."""
    value = parent.get(key)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:_LONGEST_TEXT]
    if not isinstance(value, str):
        raise unexpected(f"{path}.{key}" if path else key, "text", value)
    return value[:_LONGEST_TEXT]


def identifier(parent: Mapping[str, object], key: str, path: str) -> str:
    """The non-empty identifier at `key`; never shortened, so that two never become one."""
    value = parent.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise unexpected(f"{path}.{key}", f"text of 1 to {_LONGEST_TEXT} characters", value)
    if not value.isprintable():
        raise unexpected(f"{path}.{key}", "printable text", value)
    return value


def _type_name(value: object) -> str:
    names = {str: "text", bool: "a boolean", list: "an array", dict: "an object"}
    return names.get(type(value), "nothing" if value is None else type(value).__name__)
