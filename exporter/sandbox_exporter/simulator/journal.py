"""Which requests the vendors' routes received."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox_exporter.simulator.stand_in import Params

_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    at: float
    """Simulated Unix seconds."""
    route: str
    account: str
    """Empty when the key is unknown."""
    params: Params


class Journal:
    """Counts every request and keeps the latest ones."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT)
        self._counts: Counter[tuple[str, str]] = Counter()

    def record(self, call: Call) -> None:
        """Notes a request."""
        self._calls.append(call)
        self._counts[call.account, call.route] += 1

    def clear(self) -> None:
        """Forgets everything."""
        self._calls.clear()
        self._counts.clear()

    def count(self, account: str | None = None, route: str | None = None) -> int:
        """Requests since the last `clear`, of one account or route if given."""
        return sum(
            count
            for (of_account, of_route), count in self._counts.items()
            if account in {None, of_account} and route in {None, of_route}
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests since the last `clear`, by account and route."""
        result: dict[str, dict[str, int]] = {}
        for (account, route), count in sorted(self._counts.items()):
            result.setdefault(account, {})[route] = count
        return result

    def calls(self, account: str | None = None, route: str | None = None) -> Sequence[Call]:
        """The latest requests, oldest first, of one account or route if given."""
        return [
            call
            for call in self._calls
            if account in {None, call.account} and route in {None, call.route}
        ]
