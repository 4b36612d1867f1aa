"""A vendor for benchmarks, in a process of its own; prints its port.

Usage is a pure function of the asked window's end, so that the truth of any moment can be asked
for. `--active` templates use up something at each moment: after each `--turn` seconds from
`--origin` on, the one that has run longest stops, and one that was idle starts. From `--end` on
nothing uses up anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Fleet:
    """Templates and their usage. Times are Unix seconds."""

    size: int
    active: int
    turn: float
    origin: float
    end: float

    def begins(self, number: int) -> float:
        """When a template starts to run."""
        return self.origin + max(0.0, (number - self.active + 1) * self.turn)

    def hours(self, number: int, end: float) -> float:
        """Hours for which sandboxes of a template ran until `end`, 0.25 from before `origin`."""
        stops = self.origin + (number + 1) * self.turn
        ran = max(0.0, min(end, stops, self.end) - self.begins(number))
        return 0.25 + ran / 3600 * (1 + number % 7)

    def usage(self, number: int, end: float) -> dict[str, float]:
        """One template's summary."""
        hours = self.hours(number, end)
        runs = self.begins(number) <= end < self.origin + (number + 1) * self.turn
        return _summary(hours, int(runs), 0.5)

    def total(self, end: float) -> dict[str, float]:
        """The account's summary."""
        hours = sum(self.hours(number, end) for number in range(self.size))
        return _summary(hours, min(self.active, self.size), 0.5 * self.size)

    def page(self, offset: int, limit: int, now: float) -> dict[str, object]:
        """A page of the list of templates."""
        page = [
            {
                "templateID": f"tpl-custom-{number:016x}",
                "names": [f"team/template-{number}"],
                "type": "custom",
                "version": "1.0.0",
                "spawnCount": int(self.begins(number) <= now),
            }
            for number in range(offset, min(self.size, offset + limit))
        ]
        return {"templates": page, "total": self.size}


@dataclass(slots=True)
class Log:
    """What was asked, and when."""

    calls: Counter[str] = field(default_factory=Counter)
    sweeps: dict[int, list[float]] = field(default_factory=dict)
    """By window end: first template call, its last answer (monotonic seconds), and their count."""
    now: int = 0
    """The latest end of a window that was asked for."""


class Vendor:
    """The vendor's routes as an ASGI application, and `/bench` for what it has seen."""

    def __init__(self, fleet: Fleet, delay: float) -> None:
        self._fleet = fleet
        self._delay = delay
        self._log = Log()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        body = json.dumps(await self._answer(scope["path"], query)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: str, query: dict[str, str]) -> object:
        if path == "/bench":
            return {"calls": self._log.calls, "sweeps": self._log.sweeps}
        if path == "/truth":
            end = int(query["end"])
            return [self._fleet.usage(number, end) for number in range(self._fleet.size)]
        arrived = time.monotonic()
        name = path.rpartition("/")[2] + "_template" * ("template_id" in query)
        self._log.calls[name] += 1
        if self._delay:
            await asyncio.sleep(self._delay)
        match name:
            case "summary" | "summary_template":
                return self._summary(query, arrived)
            case "templates":
                offset, limit = int(query["offset"]), int(query["limit"])
                return self._fleet.page(offset, limit, self._log.now)
            case "realtime":
                return {"storage_mib": "12", "free_storage_mib": "10228"}
            case "costs":
                return {"month": query["month"], "current_value_usd": 3.5, "usages": []}
        raise ValueError(path)

    def _summary(self, query: dict[str, str], arrived: float) -> object:
        start, end = int(query["start_time"]), (int(query["end_time"]) + 1) // 1000
        self._log.now = max(self._log.now, end)
        if "template_id" in query:
            number = int(query["template_id"].rpartition("-")[2], 16)
            usage = self._fleet.usage(number, end)
            sweep = self._log.sweeps.setdefault(end, [arrived, 0.0, 0.0])
            sweep[1] = time.monotonic()
            sweep[2] += 1
        else:
            usage = self._fleet.total(end)
        return {**usage, "start_time": start, "end_time": end * 1000}


def _summary(hours: float, running: int, stored: float) -> dict[str, float]:
    return {
        "vcpu_hours": 2 * hours,
        "ram_gb_hours": 4 * hours,
        "data_transfer_gb": hours / 10,
        "usage_costs_usd": 0.168 * hours,
        "running_sandboxes": running,
        "storage_capacity_gb": stored,
    }


async def main(options: argparse.Namespace) -> None:
    """Serves until it is killed."""
    fleet = Fleet(options.templates, options.active, options.turn, options.origin, options.end)
    application = Vendor(fleet, options.delay)
    server = uvicorn.Server(
        uvicorn.Config(application, port=0, http="httptools", lifespan="off", log_level="warning")
    )
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await server.main_loop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--templates", type=int, required=True)
    parser.add_argument("--active", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--turn", type=float, default=1e9)
    parser.add_argument("--origin", type=float, default=time.time() - 3600)
    parser.add_argument("--end", type=float, default=math.inf)
    uvloop.run(main(parser.parse_args()))
