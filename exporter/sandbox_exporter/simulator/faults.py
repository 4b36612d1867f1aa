"""What tests can make go wrong, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_Object = Mapping[str, object]


class Kind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """Nothing but the fault's `delay`."""
    STATUS = "status"
    """The vendor's error body, or the fault's `body`, with `status` and `headers`."""
    RESET = "reset"
    """The connection is reset before any answer."""
    TRUNCATED = "truncated"
    """The connection ends in the middle of the body."""
    DRIP = "drip"
    """The body comes in small pieces, spread over `seconds`."""
    GARBAGE = "garbage"
    """200 with a body that is no JSON."""
    OVERSIZED = "oversized"
    """`size` bytes of padding within the JSON."""
    GZIP_BOMB = "gzip_bomb"
    """The same, compressed to next to nothing."""
    WRONG_TYPES = "wrong_types"
    """`field`, or every field, is an array in an array."""
    NULL = "null"
    """`field`, or every field, is null."""
    MISSING = "missing"
    """`field`, or every field, is left out."""
    CORRECTION = "correction"
    """Totals are multiplied by `factor`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, and for which requests."""

    kind: Kind
    route: str = "*"
    """A route's name, or `*` for all."""
    account: str = "*"
    template_id: str = "*"
    times: int | None = None
    """How many requests; None for all until cleared."""
    delay: float = 0.0
    """Seconds before the answer, for every kind."""
    status: int = 503
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: object = None
    field: str = ""
    factor: float = 1.0
    seconds: float = 10.0
    size: int = 32 * 2**20

    @property
    def scope(self) -> tuple[str, str, str]:
        """The requests that it is for: route, account and template."""
        return self.route, self.account, self.template_id

    def matches(self, route: str, account: str, template_id: str) -> bool:
        """Whether a request is one that it is for."""
        return (
            self.route in {"*", route}
            and self.account in {"*", account}
            and self.template_id in {"*", template_id}
        )


class FaultBoard:
    """The faults that are set: one at most for each scope."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str, str], Fault] = {}
        self._taken: dict[tuple[str, str, str], int] = {}

    def put(self, fault: Fault) -> None:
        """Sets a fault, in the place of one of the same scope."""
        self._faults[fault.scope] = fault
        self._taken[fault.scope] = 0

    def clear(self, route: str | None = None) -> None:
        """Takes away the faults of one route, or all."""
        for scope in [scope for scope in self._faults if route in {None, scope[0]}]:
            del self._faults[scope], self._taken[scope]

    def take(self, route: str, account: str, template_id: str) -> Fault | None:
        """The fault for a request, if any: the one with the fewest wildcards."""
        matching = [
            fault
            for fault in self._faults.values()
            if fault.matches(route, account, template_id)
            and (fault.times is None or self._taken[fault.scope] < fault.times)
        ]
        if not matching:
            return None
        fault = min(matching, key=lambda fault: fault.scope.count("*"))
        self._taken[fault.scope] += 1
        return fault

    def taken(self) -> Sequence[tuple[Fault, int]]:
        """Every fault and how many requests met it."""
        return [(fault, self._taken[scope]) for scope, fault in self._faults.items()]


def spoil(fault: Fault, body: object, totals: Collection[str] = ()) -> object:
    """The answer as the fault changes it. In an array it changes each item.

    `totals` are the fields that a correction changes.
    """
    if isinstance(body, list):
        return [spoil(fault, item, totals) for item in body]
    if not isinstance(body, dict):
        return body
    if fault.kind is Kind.CORRECTION:
        return {
            key: _scaled(value, fault.factor) if key in totals else value
            for key, value in body.items()
        }
    change = _CHANGES.get(fault.kind)
    return change(fault, body) if change else body


def _replace(body: _Object, name: str, value: object) -> _Object:
    return {key: value if name in {"", key} else kept for key, kept in body.items()}


def _scaled(value: object, factor: float) -> object:
    if not isinstance(value, int | float):
        return value
    scaled = value * factor
    return int(scaled) if isinstance(value, int) else scaled


_CHANGES: Mapping[Kind, Callable[[Fault, _Object], _Object]] = {
    Kind.WRONG_TYPES: lambda fault, body: _replace(body, fault.field, [[]]),
    Kind.NULL: lambda fault, body: _replace(body, fault.field, None),
    Kind.MISSING: lambda fault, body: {
        key: value for key, value in body.items() if fault.field not in {"", key}
    },
    Kind.OVERSIZED: lambda fault, body: {"padding": "x" * fault.size, **body},
}
