"""Usage metered by ourselves, for vendors that tell no usage but when sandboxes ran.

A provider hands over executions: those that ended, as often as the vendor tells them, and those
that go on. Each is counted once, by its id, so usage is exact as long as no end is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Field, Readings

Usage = dict[str, dict[Field, float]]
"""By template."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A time for which a sandbox used what it had reserved, in Unix seconds."""

    id: str
    """The same one each time that the execution is told, and no other's."""
    template_id: str
    start: float
    end: float
    """For one that goes on, the moment until which it is known to."""
    rates: Readings
    """What is used of each month total in a second, in base units."""

    def add_to(self, usage: Usage, start: float, end: float) -> None:
        """Adds what was used in [start, end)."""
        seconds = min(self.end, end) - max(self.start, start)
        if seconds > 0:
            used = usage.setdefault(self.template_id, {})
            for field, rate in self.rates.items():
                used[field] = used.get(field, 0.0) + rate * seconds


class Meter:
    """The usage of one account by template, in this month and the one before."""

    def __init__(self, told_again: float) -> None:
        """`told_again` is for how long after its end an execution may be told again, in seconds."""
        self._told_again = told_again
        self._used: dict[Month, Usage] = {}
        """By executions that ended."""
        self._counted: dict[str, float] = {}
        """The ends of those that may be told again, by id."""
        self._running: dict[str, Execution] = {}
        """Those whose end is not known, by id."""

    @property
    def told_until(self) -> float:
        """The latest end that is known; 0 without any."""
        return max(self._counted.values(), default=0.0)

    def take(self, ended: Iterable[Execution], running: Iterable[Execution], now: float) -> None:
        """Counts what the vendor tells at `now` (Unix seconds).

        One that no longer runs, but whose end is not told, counts until it was last seen.
        """
        month = Month.at(now)
        months = (month.previous(), month)
        for execution in ended:
            if execution.id in self._counted:
                continue
            self._counted[execution.id] = execution.end
            for each in months:
                execution.add_to(self._used.setdefault(each, {}), each.start, each.end)
        self._running.update((execution.id, execution) for execution in running)
        self._running = {
            id_: execution
            for id_, execution in self._running.items()
            if id_ not in self._counted and execution.end >= months[0].start
        }
        self._used = {each: usage for each, usage in self._used.items() if each in months}
        self._counted = {
            id_: end for id_, end in self._counted.items() if end >= now - self._told_again
        }

    def usage(self, window: Window) -> Usage:
        """The usage by template of a month until the window's end; without it no entry."""
        known = self._used.get(window.month, {})
        usage = {template_id: dict(fields) for template_id, fields in known.items()}
        for execution in self._running.values():
            execution.add_to(usage, window.month.start, window.end)
        return usage

    def memory(self) -> object:
        """What a restart needs, as JSON."""
        return {
            "used": {str(month): usage for month, usage in self._used.items()},
            "counted": dict(self._counted),
            "running": [
                [e.id, e.template_id, e.start, e.end, dict(e.rates)] for e in self._running.values()
            ],
        }

    def recall(self, memory: object) -> None:
        """Goes on from what `memory` gave; raises `ValueError` for anything else."""
        match memory:
            case {"used": dict() as used, "counted": dict() as counted, "running": list() as rows}:
                months = {Month.parse(month): _usage(value) for month, value in used.items()}
                running = [_execution(row) for row in rows]
                self._counted = _numbers(counted)
                self._used = months
                self._running = {execution.id: execution for execution in running}
            case _:
                raise ValueError("not what a meter remembers")


def total(usage: Usage) -> dict[Field, float]:
    """That of all templates together."""
    whole: dict[Field, float] = {}
    for fields in usage.values():
        for field, value in fields.items():
            whole[field] = whole.get(field, 0.0) + value
    return whole


def _execution(row: object) -> Execution:
    match row:
        case [str(id_), str(template_id), int() | float() as start, int() | float() as end, rates]:
            return Execution(id_, template_id, start, end, _fields(rates))
    raise ValueError("an execution that is not one")


def _usage(value: object) -> Usage:
    templates = _mapping(value)
    return {template_id: _fields(fields) for template_id, fields in templates.items()}


def _fields(value: object) -> dict[Field, float]:
    return {Field(name): number for name, number in _numbers(value).items()}


def _numbers(value: object) -> dict[str, float]:
    numbers = _mapping(value)
    for number in numbers.values():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number >= 0:
            raise ValueError("a number that is not one of 0 or more")
    return cast(dict[str, float], dict(numbers))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("no object where one is expected")
    return cast(Mapping[str, object], value)
