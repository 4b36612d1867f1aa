"""What a vendor's folder gives to the simulator: accounts, the world behind them, and routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from starlette.requests import Request

Params = Mapping[str, str]


class World(Protocol):
    """What is simulated behind one account, a pure function of seed, account and time."""

    def ledger(self, start: int, end: int, at: int, /) -> dict[str, object]:
        """Exact usage of [start, end) and levels at `at`, unrounded; all in Unix ms."""
        ...


W = TypeVar("W", bound=World)


@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    """An API key, made up so that it may be shown, and the account that it belongs to."""

    provider: str
    name: str
    """Also a part of the seed: accounts of different names have different worlds."""
    api_key: str
    options: Mapping[str, str] = field(default_factory=dict)
    """The vendor's own keys of a configuration, by which the account is polled."""
    most_templates: int | None = None
    """The account has fewer templates than the settings say, if this is less."""
    budget_usd: float | None = None
    """The monthly budget that the demo gives it."""


class Refused(Exception):
    """A request that a vendor answers with an error."""

    def __init__(self, status: int, details: str) -> None:
        super().__init__(details)
        self.status = status
        self.details = details


class Asked(NamedTuple, Generic[W]):
    """A request whose key is known."""

    request: Request
    account: SimulatedAccount
    accounts: Sequence[SimulatedAccount]
    """All of the vendor's."""
    world: W
    """That of the account."""
    now_ms: int


@dataclass(frozen=True, slots=True)
class VendorRoute(Generic[W]):
    """One route that is asked by GET."""

    path: str
    """Below the simulator's address, as Starlette writes it."""
    name: Callable[[Params], str]
    """The route's name for faults and the journal, by the query's parameters."""
    answer: Callable[[Asked[W]], object]
    """The JSON of the answer; raises `Refused`."""


def usual_key(request: Request) -> str:
    """The API key, from either header that most vendors' clients send."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    return request.headers.get("X-API-Key", "") or bearer


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn(Generic[W]):
    """A vendor's part of the simulator."""

    provider: str
    accounts: Sequence[SimulatedAccount]
    """Those that there are unless the settings name others."""
    base_path: str = ""
    """The path of a `base_url`, below the simulator's address."""
    prefix: str
    """Begins all paths that are the vendor's, unknown ones too."""
    routes: Sequence[VendorRoute[W]]
    world: Callable[[int, SimulatedAccount, int], W]
    """Makes the world of a seed, an account, and so many templates."""
    key: Callable[[Request], str] = usual_key
    """The key that a request carries; empty without one."""
    unauthorized: str
    """What the vendor says to a request without a known key."""
    error: Callable[[int, str, str], object]
    """The JSON of an error of a status, details and a request's id."""
    totals: frozenset[str]
    """The fields of answers that a simulated correction changes."""
