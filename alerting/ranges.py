"""Ranges of time in rules and dashboards, made so that every store means the same by them.

Stores differ in what belongs to `[1h]`. Prometheus 2 takes in a sample at its beginning, Prometheus
3 does not, and VictoriaMetrics looks at the one before as well; `increase()` of the first two
estimates what lies between the ends and the nearest samples, that of the third counts some new
series from 0. So nothing here uses `increase()`: what a counter grew by is its value at the end
less its value at the beginning, and what it had reached where it began anew in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from alerting.model import duration

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
HOUR, DAY = "1h", "1d"
ESTIMATED = re.compile(r"\b(increase|i?rate|i?delta|deriv|changes|resets)\(")
"""Functions that are another number on each store, which no query may use."""
_MEMORY = DAY
"""How long a counter's last value stands for it where samples are missing."""


def within(expr: str, window: str, every: str = "", ago: str = "", at: str = "") -> str:
    """A range of time: after its beginning, up to and with its end, `ago` before now.

    A sample that stands at the very beginning belongs to the range before. Looking a millisecond
    ahead leaves it out in Prometheus 2 too, and changes nothing elsewhere.
    """
    step = f":{every}" if every else ""
    moment = f" {at}" if at else ""
    return f"{expr}[{window}{step}]{moment} offset {_a_millisecond_later(ago)}"


def events(selector: str, by: str, window: str, ago: str = "") -> str:
    """How many events exporters counted in a window, minute by minute; each restart begins at 0."""
    before = f"{selector} offset 1m"
    each = f"({selector} - ({before} <= {selector} or 0 * {before}))"
    return f"sum by ({by}) (sum_over_time({within(each, window, '1m', ago)}))"


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of usage or money, one series for each set of the labels `by`.

    The greatest value counts, so that two replicas, an exporter under another address and
    backfilled history make one series. Where samples are missing the last value stands for a day,
    so that what an outage held back counts when it ends.

    A counter began anew where it is less than half of what it was. A smaller fall is no new
    beginning: the replica that polled last has gone, and the other one follows.
    """

    selector: str
    by: str
    lasting: bool = True
    """Whether the last value stands for a series that is gone at the end of a window, too."""
    at: str = ""
    """`@ end()` where the end of a chart's range is meant, not each of its points."""

    def growth(self, window: str, ago: str = "") -> str:
        """What they grew by in a window of a day at most that ends `ago` before now.

        What appears within the window counts from its first value.
        """
        start = self.known(sooner(window, ago))
        end = self.known(ago) if self.lasting else self.now(ago)
        reached = self.reached(window, start, end, ago)
        first = self._extreme("min", window, ago)
        return f"(({end} + {reached} or {end})\n- ({start} or {first}))"

    def growth_of_range(self, window: str, ago: str = "", cell: str = HOUR) -> str:
        """The same for a window of any length, in which they may begin anew often.

        It adds up what they grew by in each whole `cell`, an hour or a day (UTC). What they grew by
        since the last one is added for the end of the window, and taken off for its beginning.
        """
        each = replace(self, at="")
        whole = each.known(cell), each.known(), ""
        parts = [
            f"sum_over_time({within(part(cell, *whole), window, cell, ago, self.at)})"
            for part in (each.change, each.reached)
        ]
        for sign, moment in (("", ago), ("0 - ", sooner(window, ago))):
            start = f"last_over_time({each.known()}[{cell}:{cell}]{self._moved(moment)})"
            rest = start, self.known(moment), moment
            parts += [f"{sign}{part(cell, *rest)}" for part in (self.change, self.reached)]
        told_apart = "\nor ".join(
            f'label_replace({part}, "part", "{number}", "", "")'
            for number, part in enumerate(parts)
        )
        return f"sum by ({self.by}) (\n{told_apart}\n)"

    def change(self, window: str, start: str, end: str, ago: str) -> str:
        """The value at the end less that at the beginning."""
        return f"({end} - ({start} or {self._extreme('min', window, ago)}))"

    def reached(self, window: str, start: str, end: str, ago: str) -> str:
        """What they had reached where they began anew."""
        # A day more than the window holds the value at its beginning too, wherever it is from.
        reached = self._extreme("max", sooner(window, _MEMORY), ago)
        return f"({reached} and {start} > 2 * {end})"

    def _extreme(self, which: str, window: str, ago: str) -> str:
        """The least or greatest value in a window."""
        found = f"{which}_over_time({within(self.selector, window, ago=ago, at=self.at)})"
        return f"{which} by ({self.by}) ({found})"

    def known(self, ago: str = "") -> str:
        """The greatest value, or where there is none the last one known."""
        last = f"last_over_time({within(self.selector, _MEMORY, ago=ago, at=self.at)})"
        return f"({self.now(ago)} or max by ({self.by}) ({last}))"

    def now(self, ago: str = "") -> str:
        """The greatest value."""
        return f"max by ({self.by}) ({self.selector}{self._moved(ago)})"

    def _moved(self, ago: str) -> str:
        at = f" {self.at}" if self.at else ""
        return f"{at} offset {ago}" if ago else at


def sooner(window: str, ago: str) -> str:
    """How long ago a window began that ended some time ago; nothing if that is now."""
    if not ago:
        return window
    if ago == f"-{window}":
        return ""
    if window.startswith("$"):  # Grafana's; in milliseconds it can follow any unit
        return f"{ago}{window[:-1]}_ms}}ms"
    return duration(round(_seconds(window) + _seconds(ago)))


def _a_millisecond_later(ago: str) -> str:
    if not ago:
        return "-1ms"
    return f"{ago}1ms" if ago.startswith("-") else f"{round(_seconds(ago) * 1000) - 1}ms"


def _seconds(text: str) -> float:
    return sum(
        float(amount) * _UNITS[unit] for amount, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text)
    )
