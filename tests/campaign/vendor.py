"""What the hostile vendors know: each account's exact ledger, and what was given of it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.campaign.behaviours.model import (
    COSTS,
    FIELDS,
    PREVIOUS,
    SEACLOUD_ROUTES,
    STORAGE,
    SUMMARY,
    TEMPLATE,
    TEMPLATES,
    USAGE,
    Behaviour,
    Call,
    Outcome,
    Reply,
    given,
)

_HOUR, _MIB, _GIB, _GB = 3600, 2**20, 2**30, 10**9
TEMPLATE_IDS = ("busy", "slow", "idle")
"""The templates of each account: used in each poll, in each fifth, and never."""
UNITS: Mapping[tuple[str, str], float] = {
    ("summary", "vcpu_hours"): _HOUR,
    ("summary", "ram_gb_hours"): _GIB * _HOUR,
    ("summary", "data_transfer_gb"): _GB,
    ("summary", "storage_capacity_gb"): _GIB,
    (STORAGE, "storage_mib"): _MIB,
    (STORAGE, "free_storage_mib"): _MIB,
}
"""Base units in one of the vendor's, where that is not 1."""
Numbers = dict[str, float]

_SAME_POLL = 4.0
"""Seconds within which two questions for the usage of Dreadnode are one poll's."""


class Taken(NamedTuple):
    """What a page shows of a scope once a poll's answer is published, in base units."""

    poll: int
    numbers: Numbers
    marks: Numbers
    """The highest of each field so far."""


@dataclass
class Given:
    """What was given of one scope: the account's answer on a route, or a template's summary."""

    recent: deque[Taken] = field(default_factory=lambda: deque(maxlen=2))
    """The newest, and the one before it, which is shown while a poll is under way.

    Empty while it is not known whether the newest was taken.
    """
    marks: Numbers = field(default_factory=dict)
    ever: dict[str, set[float]] = field(default_factory=dict)

    def take(self, poll: int, numbers: Numbers, *, surely: bool) -> None:
        """Notes an answer, which the exporter takes surely or perhaps."""
        for name, value in numbers.items():
            self.ever.setdefault(name, set()).add(value)
        if not surely:
            self.recent.clear()
            return
        highest = {name: max(value, self.marks.get(name, 0.0)) for name, value in numbers.items()}
        self.marks = {**self.marks, **highest}
        self.recent.append(Taken(poll, numbers, self.marks))


@dataclass
class VendorAccount:
    """One account of a vendor, and the behaviours that are in force on its routes."""

    name: str
    provider: str
    secret: str
    templates: int = len(TEMPLATE_IDS)
    """How many there are: beyond the three, idle ones."""
    armed: dict[str, Behaviour] = field(default_factory=dict)
    hostile: Counter[str] = field(default_factory=Counter)
    """Hostile answers by route, since the behaviours were last changed."""
    honest: Counter[str] = field(default_factory=Counter)
    polls: int = 0
    """Polls that have begun."""
    requests: int = 0
    given: dict[tuple[str, str], Given] = field(default_factory=dict)
    """By route, and template's id where there is one."""
    listed: set[str] = field(default_factory=lambda: set(TEMPLATE_IDS))
    """Templates that were ever given in a listing."""
    _windows: dict[str, int] = field(default_factory=dict)
    _asked_at: float = -1e9

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that the account has."""
        return (USAGE,) if self.provider == "dreadnode" else SEACLOUD_ROUTES

    def arm(self, behaviours: Mapping[str, Behaviour]) -> None:
        """Puts behaviours into force, in place of all before."""
        self.armed = dict(behaviours)
        self.hostile.clear()
        self.honest.clear()

    def of(self, route: str, template_id: str = "") -> Given:
        """What was given of a scope."""
        return self.given.setdefault((route, template_id), Given())

    def poll_of(self, query: Mapping[str, str]) -> int:
        """The number of the poll that a call belongs to, by the end of its window if it has one."""
        end = query.get("end_time")
        if end is not None:
            if end not in self._windows:
                self.polls += 1
                self._windows[end] = self.polls
            return self._windows[end]
        if self.provider == "dreadnode":
            now = time.monotonic()
            self.polls += now - self._asked_at > _SAME_POLL
            self._asked_at = now
        return max(1, self.polls)


class Vendor:
    """All accounts; answers calls, and remembers what it gave. Used from two threads."""

    def __init__(self, accounts: Mapping[str, VendorAccount]) -> None:
        self.accounts = accounts
        self.lock = threading.RLock()
        self.origin = self.canary = ""
        """Addresses of the server and of one that must never be called; set by the server."""
        self.strays: list[str] = []
        """What came to that address, or for no route."""

    def reply(
        self, account: VendorAccount, route: str, target: str, query: Mapping[str, str]
    ) -> Reply:
        """The answer to a call, noted as given."""
        template_id = query.get("template_id", "")
        with self.lock:
            account.requests += 1
            poll = account.poll_of(query)
            good = honest(route, query, poll, account.templates)
            behaviour = account.armed.get(route)
            if behaviour is not None and route == TEMPLATE and not behaviour.every_template:
                behaviour = behaviour if template_id == TEMPLATE_IDS[0] else None
            if behaviour is None:
                reply, surely = _honestly(route, good), True
                account.honest[route] += 1
            else:
                hop, offset = int(query.get("_hop", 0)), int(query.get("offset", 0))
                call = Call(
                    route, good, target, account.secret, self.origin, self.canary, hop, offset
                )
                reply = behaviour.draft.answer(call)
                surely = behaviour.draft.outcome is not Outcome.EITHER
                account.hostile[route] += 1
            self._note(account, route, template_id, reply.given, surely=surely)
        return reply

    @staticmethod
    def _note(
        account: VendorAccount, route: str, template_id: str, value: object, *, surely: bool
    ) -> None:
        if route == TEMPLATES:
            items = value if isinstance(value, list) else []
            ids = (item.get("templateID") for item in items if isinstance(item, dict))
            account.listed.update(id_ for id_ in ids if isinstance(id_, str))
        elif value is not None:
            account.of(route, template_id).take(
                account.polls, base_units(route, value), surely=surely
            )
        elif not surely:
            account.of(route, template_id).recent.clear()


def _honestly(route: str, good: object) -> Reply:
    if route == TEMPLATES:
        return Reply(given({"templates": good}).wire, good)
    return given(good)


def base_units(route: str, value: object) -> Numbers:
    """The numbers of an answer in base units; what is null or missing is not in it."""
    answer = value if isinstance(value, dict) else {}
    family = SUMMARY if route == TEMPLATE else route
    return {
        name: float(answer[name]) * UNITS.get((family, name), 1)
        for name in FIELDS[route]
        if answer.get(name) is not None
    }


def honest(route: str, query: Mapping[str, str], poll: int, templates: int) -> object:
    """What an honest vendor says in an account's n-th poll. All numbers are exact in binary."""
    match route:
        case "summary":
            return {**_usage(TEMPLATE_IDS, poll), **_window(query)}
        case "template_summary":
            return {**_usage((query["template_id"],), poll), **_window(query)}
        case "storage":
            return {"storage_mib": str(poll), "free_storage_mib": str(10_000 - poll)}
        case "costs" | "costs_previous":
            value = 77.5 if route == PREVIOUS else poll * 0.5
            return {
                "cycle_type": "day",
                "month": query.get("month", ""),
                "current_value_usd": value,
            }
        case "templates":
            return _listing(int(query.get("offset", 0)), templates)
        case "usage":
            return {
                "total_runtime_seconds": 1000 + 60 * poll,
                "sessions_count": poll,
                "current_month_seconds": 30 * poll,
            }
    raise ValueError(route)


def _usage(ids: tuple[str, ...], poll: int) -> dict[str, float]:
    hours = {"busy": 1 + poll * 0.25, "slow": 2 + poll // 5 * 0.5, "idle": 3.0}
    used = sum(hours.get(id_, 0.0) for id_ in ids)
    return {
        "vcpu_hours": used,
        "ram_gb_hours": 2 * used,
        "data_transfer_gb": used / 4,
        "usage_costs_usd": used / 8,
        "running_sandboxes": poll if "busy" in ids else 0,
        "storage_capacity_gb": 0.5 * sum(id_ in hours for id_ in ids),
    }


def _window(query: Mapping[str, str]) -> dict[str, int]:
    end = int(query["end_time"])
    return {"start_time": int(query["start_time"]), "end_time": end - end % 1000}


def _listing(offset: int, templates: int) -> list[dict[str, object]]:
    if offset:
        return []
    return [
        {"templateID": id_, "names": [f"team/{id_}"], "type": "custom", "version": "1"}
        for id_ in (*TEMPLATE_IDS, *(f"more{n}" for n in range(len(TEMPLATE_IDS), templates)))
    ]


def route_of(path: str, query: Mapping[str, str]) -> str | None:
    """Which route a path below an account's base URL is; None for no route."""
    if path.startswith("/api/v1/org/"):
        return USAGE
    if path == "/sandboxes/usage/summary":
        return TEMPLATE if "template_id" in query else SUMMARY
    if path == "/sandboxes/usage/costs":
        current = time.strftime("%Y-%m", time.gmtime())
        return COSTS if query.get("month", current) >= current else PREVIOUS
    simple = {"/sandboxes/usage/storage/realtime": STORAGE, "/templates": TEMPLATES}
    return simple.get(path)
