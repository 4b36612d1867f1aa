"""The folder beside the output: the parts, the plan, and how far the work has come.

It makes an interrupted backfill go on where it was. It holds usage and template ids, no secret.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sandbox_exporter.backfill.detail import Position
from sandbox_exporter.backfill.plan import Plan, Refusal, Scope
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.model import Field, Template
from sandbox_exporter.vendors.base import Cycle

VERSION = 1


@dataclass(slots=True)
class Progress:
    """Where the next window is, and what was written before it."""

    plan: int = 0
    """Which of the plans."""
    scope: int = 0
    """Which of the plan's scopes."""
    window: int = 0
    """Unix seconds before which all windows of the scope are done."""
    position: Position = field(default_factory=Position)
    samples: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each part."""
    notes: list[tuple[str, str, int, int]] = field(default_factory=list)
    """What is not known: of which scope, what and why, and the span of time."""

    def note(self, scope: str, text: str, start: int, end: int) -> None:
        """Adds a note; it merges with one that says the same of the time just before."""
        for index, (told, same, first, last) in enumerate(self.notes):
            if (told, same, last) == (scope, text, start):
                self.notes[index] = (scope, text, first, end)
                return
        self.notes.append((scope, text, start, end))

    def next_scope(self) -> None:
        """Goes on to the plan's next scope."""
        self.scope += 1
        self.window, self.position = 0, Position()

    def next_plan(self) -> None:
        """Goes on to the next plan."""
        self.plan += 1
        self.scope = self.window = 0


class Workspace:
    """The folder of one backfill, held by this process until it is closed."""

    def __init__(self, output: Path, arguments: str) -> None:
        """Opens or makes the folder; `arguments` tell apart what different commands make.

        Raises `OSError` when another process uses it, or when it belongs to other arguments.
        """
        self.folder = output.with_name(f"{output.name}.parts")
        self.folder.mkdir(exist_ok=True)
        self._arguments = arguments
        self._lock = _lock(self.folder)
        try:
            found = self._load_plans()
            self.plans = [_plan(raw) for raw in found] if found else None
            """None when the work has not begun."""
            self.progress = _progress(self._load("progress.json")) if found else Progress()
        except OSError:
            self._lock.close()
            raise

    def begin(self, plans: Sequence[Plan]) -> None:
        """Keeps the plans."""
        self.plans = list(plans)
        raw = [_plan_json(plan) for plan in plans]
        self._save("plan.json", {"version": VERSION, "arguments": self._arguments, "plans": raw})

    def save(self) -> None:
        """Keeps the progress."""
        progress = self.progress
        position = progress.position
        self._save(
            "progress.json",
            {
                "plan": progress.plan,
                "scope": progress.scope,
                "window": progress.window,
                "until": position.until,
                "shown": position.shown,
                "samples": progress.samples,
                "sizes": progress.sizes,
                "notes": progress.notes,
            },
        )

    def close(self) -> None:
        """Lets go of the folder; one in which nothing was begun is removed."""
        if self.plans is None and self.folder.exists():
            self.remove()
        self._lock.close()

    def remove(self) -> None:
        """Removes the folder, for the work is done."""
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def _load_plans(self) -> Sequence[Mapping[str, Any]]:
        found = self._load("plan.json")
        if found and (found.get("version"), found.get("arguments")) != (VERSION, self._arguments):
            raise OSError(
                f"{self.folder} belongs to an unfinished backfill with other arguments or another "
                "configuration; finish that one, or remove the folder"
            )
        plans: Sequence[Mapping[str, Any]] = found.get("plans", ())
        return plans

    def _load(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            return dict(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise OSError(f"{path} is damaged; remove {self.folder} and start again") from None

    def _save(self, name: str, value: object) -> None:
        unfinished = self.folder / f"{name}.new"
        unfinished.write_text(json.dumps(value))
        unfinished.replace(self.folder / name)


def _lock(folder: Path) -> IO[str]:
    file = (folder / "lock").open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OSError(f"{folder} is in use by another process") from None
    return file


def _plan_json(plan: Plan) -> object:
    return {
        "provider": plan.provider,
        "account": plan.account,
        "span": [plan.span.start, plan.span.end],
        "resolution": int(plan.resolution),
        "calls": plan.calls,
        "refused": plan.refused,
        "scopes": [
            {
                "template": s.template and [getattr(s.template, name) for name in _TEMPLATE],
                "months": {str(month): closing for month, closing in s.months.items()},
            }
            for s in plan.scopes
        ],
    }


_TEMPLATE = ("id", "name", "type", "version")


def _plan(raw: Mapping[str, Any]) -> Plan:
    return Plan(
        raw["provider"],
        raw["account"],
        Span(*raw["span"]),
        Cycle(raw["resolution"]),
        raw["calls"],
        [
            Scope(
                Template(*scope["template"]) if scope["template"] else None,
                {
                    Month.parse(month): (until, {Field(f): v for f, v in totals.items()})
                    for month, (until, totals) in scope["months"].items()
                },
            )
            for scope in raw["scopes"]
        ],
        [Refusal(*refusal) for refusal in raw["refused"]],
    )


def _progress(raw: Mapping[str, Any]) -> Progress:
    if not raw:
        return Progress()
    shown = {Field(name): value for name, value in raw["shown"].items()}
    return Progress(
        raw["plan"],
        raw["scope"],
        raw["window"],
        Position(raw["until"], shown),
        raw["samples"],
        raw["sizes"],
        [(scope, text, start, end) for scope, text, start, end in raw["notes"]],
    )
