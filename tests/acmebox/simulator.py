"""Acmebox's stand-in: boxes that run again and again, told as usage, as events and as a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sandbox_exporter.simulator.stand_in import Asked, SimulatedAccount, StandIn, VendorRoute

_DAY = 86400


class Run(NamedTuple):
    """One run of a box, in Unix seconds."""

    id: str
    box: str
    start: int
    end: int
    cpus: int


class Boxes:
    """`red` runs 5 minutes of each 10, `blue` 50 minutes of each hour."""

    _KINDS = (("red", 600, 300, 2), ("blue", 3600, 3000, 4))

    def runs(self, start: float, end: float) -> Iterator[Run]:
        """Those that touch [start, end)."""
        for box, every, seconds, cpus in self._KINDS:
            for number in range(max(0, int(start) // every - 1), int(end) // every + 1):
                run = Run(f"{box}-{number}", box, number * every, number * every + seconds, cpus)
                if run.start < end and start < run.end:
                    yield run

    def cpu_seconds(self, start: float, end: float) -> dict[str, float]:
        """Exact usage of [start, end) by box."""
        usage = {box: 0.0 for box, *_ in self._KINDS}
        for run in self.runs(start, end):
            usage[run.box] += (min(run.end, end) - max(run.start, start)) * run.cpus
        return usage

    def running(self, at: float) -> list[Run]:
        """The runs that go on at a moment."""
        return [run for run in self.runs(at, at + 1) if run.start <= at < run.end]

    def ledger(self, start: int, end: int, at: int) -> dict[str, object]:
        """Usage by box and boxes that run; all in Unix ms."""
        usage = self.cpu_seconds(start / 1000, end / 1000)
        return {"cpu_seconds": usage, "running": len(self.running(at / 1000))}


def _usage(asked: Asked[Boxes]) -> dict[str, object]:
    usage, running = _told(asked)
    return {"cpu_seconds": sum(usage.values()), "running": len(running)}


def _by_box(asked: Asked[Boxes]) -> object:
    usage, running = _told(asked)
    boxes = [
        {"box": box, "cpu_seconds": used, "running": running.count(box)}
        for box, used in usage.items()
    ]
    return {"boxes": boxes}


def _told(asked: Asked[Boxes]) -> tuple[dict[str, float], list[str]]:
    query, now = asked.request.query_params, asked.now_ms / 1000
    usage = asked.world.cpu_seconds(int(query["from"]), min(int(query["to"]), now))
    return usage, [run.box for run in asked.world.running(now)]


def _list(asked: Asked[Boxes]) -> object:
    runs = asked.world.running(asked.now_ms / 1000)
    return {"boxes": [{**run._asdict(), "end": None} for run in runs]}


def _events(asked: Asked[Boxes]) -> object:
    """The ends since a moment; they are kept for a day."""
    now = asked.now_ms / 1000
    since = max(int(asked.request.query_params["since"]), now - _DAY)
    ended = [run for run in asked.world.runs(since, now) if since <= run.end <= now]
    return {"events": [run._asdict() for run in ended]}


STAND_IN = StandIn(
    provider="acmebox",
    accounts=(SimulatedAccount("acmebox", "boxes", "sim-box-key", {"team": "blue"}),),
    base_path="/acmebox",
    prefix="/acmebox/",
    routes=[
        VendorRoute("/acmebox/teams/{team}/usage", lambda _: "usage", _usage),
        VendorRoute("/acmebox/teams/{team}/usage/boxes", lambda _: "boxes", _by_box),
        VendorRoute("/acmebox/teams/{team}/boxes", lambda _: "list", _list),
        VendorRoute("/acmebox/teams/{team}/events", lambda _: "events", _events),
    ],
    world=lambda _seed, _account, _templates: Boxes(),
    key=lambda request: request.headers.get("X-Box-Key", ""),
    unauthorized="no such key",
    error=lambda _status, details, _request_id: {"problem": details},
    totals=frozenset({"cpu_seconds"}),
)
