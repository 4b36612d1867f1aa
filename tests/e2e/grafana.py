"""How Grafana asks Prometheus: variables put into queries, and the steps of charts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NICE = (15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Steps, in seconds, to which Grafana rounds; there are more below and above."""

Choice = str | Sequence[str]
"""Values chosen for a variable: an `allValue` as it is, or the values picked from its list."""


@dataclass(frozen=True, slots=True)
class Span:
    """The range of a panel, in Unix seconds, and for how many points it has room."""

    start: float
    end: float
    max_points: int = 1000

    @property
    def seconds(self) -> int:
        """Its length."""
        return round(self.end - self.start)

    def step(self, shortest: str) -> int:
        """Seconds between points: the shortest step, or what the room allows."""
        wanted = max(self.seconds / self.max_points, self.seconds / 11000)
        least = seconds(shortest)
        if wanted <= least:
            return least
        nearest = min(_NICE, key=lambda nice: abs(math.log(nice / wanted)))
        return max(least, nearest)


def seconds(text: str) -> int:
    """A duration of one unit, in seconds."""
    return int(text[:-1]) * _UNITS[text[-1]]


def duration(length: int) -> str:
    """Seconds as Grafana writes an interval."""
    unit = next(unit for unit in ("d", "h", "m", "s") if length % _UNITS[unit] == 0)
    return f"{length // _UNITS[unit]}{unit}"


def interpolate(expr: str, span: Span, step: int, choices: Mapping[str, Choice]) -> str:
    """An expression with all variables replaced."""
    values = {name: _regex(choice) for name, choice in choices.items()}
    values |= {
        "__interval": duration(step),
        "__interval_ms": str(step * 1000),
        "__range": f"{span.seconds}s",
        "__range_s": str(span.seconds),
        "__range_ms": str(round((span.end - span.start) * 1000)),
        # From the shortest step, which panels set to a minute.
        "__rate_interval_ms": str(1000 * max(step + 60, 240)),
    }
    # What is no variable stays, as `$1` in label_replace does.
    return re.sub(
        r"\$(?:{(\w+)}|(\w+))", lambda found: values.get(found[1] or found[2], found[0]), expr
    )


def _regex(choice: Choice) -> str:
    """One value as it is, several as alternatives, with what a regular expression holds special."""
    if isinstance(choice, str):
        return choice
    escaped = [re.sub(r"([$^*{}\[\]'+?.()|])", r"\\\\\1", value) for value in choice]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
