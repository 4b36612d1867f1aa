"""Reading the JSON and the parameters of the test controls; what is wrong is named."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any


class ControlError(Exception):
    """A control that cannot be obeyed; the message says why."""


class Fields:
    """The fields of one control. Each getter raises `ControlError` for a wrong value."""

    def __init__(self, values: Mapping[str, Any], allowed: Collection[str]) -> None:
        unknown = sorted(set(values) - set(allowed))
        if unknown:
            raise ControlError(f"{unknown[0]}: unknown, allowed are {', '.join(sorted(allowed))}")
        self._values = values

    def number(self, name: str, default: float | None = None, *, least: float = 0) -> float:
        """A finite number, `least` or more; required without a default."""
        value = self._values.get(name, default)
        if isinstance(value, str):
            value = _parsed(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ControlError(f"{name}: must be a number")
        if not math.isfinite(value) or value < least:
            raise ControlError(f"{name}: must be {least:g} or more")
        return float(value)

    def whole(self, name: str, default: int | None = None, *, most: int = 2**40) -> int:
        """A whole number from 0 to `most`; required without a default."""
        value = self.number(name, default)
        if value > most or value != int(value):
            raise ControlError(f"{name}: must be a whole number, {most} at most")
        return int(value)

    def text(self, name: str, default: str | None = None) -> str:
        """A text; required without a default."""
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise ControlError(f"{name}: must be text")
        return value

    def texts(self, name: str) -> Mapping[str, str]:
        """An object of texts; empty by default."""
        value = self._values.get(name, {})
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise ControlError(f"{name}: must be an object of texts")
        return value

    def raw(self, name: str) -> object:
        """Whatever there is; None by default."""
        return self._values.get(name)

    def has(self, name: str) -> bool:
        """Whether it was given."""
        return self._values.get(name) is not None


def _parsed(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
