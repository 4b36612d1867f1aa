"""The virtual fleet of one account whose vendor tells usage by template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import chain

from sandbox_exporter.simulator.history import NEVER_MS, Burst, History, total
from sandbox_exporter.simulator.steps import Change, Steps
from sandbox_exporter.simulator.templates import Template, make_templates
from sandbox_exporter.simulator.usage import MIB_PER_GIB, Usage


class Level(StrEnum):
    """A level whose integral is a quantity of usage."""

    VCPUS = "vcpus"
    MEMORY_MIB = "memory_mib"
    SANDBOXES = "sandboxes"
    TRANSFER_BYTES = "transfer_bytes"
    """A second."""
    PAUSED_MIB = "paused_mib"


class Fleet:
    """Templates and their sessions: a pure function of seed, account and time.

    `add`, `remove` and `burst` change it, on top of that; `reset` undoes them. All moments are
    Unix ms, all windows [start, end). An unknown template is a `KeyError`.
    """

    def __init__(self, seed: int, account: str, templates: int) -> None:
        self._key = f"{seed}/{account}"
        self._count = templates
        self._histories: dict[str, History] = {}
        self.reset()

    def reset(self) -> None:
        """The fleet as seed and account have it."""
        self._histories = {
            template.id: History(self._key, template)
            for template in make_templates(self._key, self._count)
        }
        self._find_busy()

    def add(self, template: Template, at: int) -> None:
        """A template is there from `at` on: a new one, or one that had vanished."""
        known = self._histories.get(template.id)
        fresh = History(self._key, template, absences=((0, NEVER_MS),))
        self._histories[template.id] = (known or fresh).appear(at)
        self._find_busy()

    def remove(self, template_id: str, at: int) -> None:
        """A template is gone from `at` on. Its sandboxes end as they would, its usage stays."""
        self._histories[template_id] = self._histories[template_id].vanish(at)
        self._find_busy()

    def burst(self, template_id: str, burst: Burst) -> None:
        """More sandboxes of a template for a time."""
        history = self._histories[template_id]
        self._histories[template_id] = replace(history, bursts=(*history.bursts, burst))
        self._find_busy()

    def __contains__(self, template_id: str) -> bool:
        return template_id in self._histories

    def history(self, template_id: str) -> History:
        """One template's history."""
        return self._histories[template_id]

    def listed(self, at: int) -> Sequence[History]:
        """The templates that are there at a moment."""
        return [history for history in self._histories.values() if history.present(at)]

    @property
    def busy(self) -> Sequence[History]:
        """The templates that have any sessions, gone ones included."""
        return self._busy

    def usage(self, start: int, end: int, template_id: str | None = None) -> Usage:
        """Exact usage of a window, of one template or of all."""
        return total(self._chosen(template_id), start, end)

    def running(self, at: int, template_id: str | None = None) -> int:
        """Running sandboxes at a moment."""
        return sum(history.running(at) for history in self._chosen(template_id))

    def paused_mib(self, at: int, template_id: str | None = None) -> int:
        """Storage of paused sandboxes at a moment, in MiB."""
        return sum(history.paused_mib(at) for history in self._chosen(template_id))

    def areas(
        self, level: Level, edges: Sequence[int], template_id: str | None = None
    ) -> list[int]:
        """The integral of a level (times ms) between each edge and the next."""
        changes = _CHANGES[level]
        steps = Steps(
            chain.from_iterable(
                changes(history, edges[0], edges[-1]) for history in self._chosen(template_id)
            )
        )
        return steps.areas(edges)

    def ledger(self, start: int, end: int, at: int) -> dict[str, object]:
        """Usage of [start, end) and levels at `at`, of the account and each busy template."""
        return {
            "account": self._entry(start, end, at, None),
            "templates": {
                history.template.id: self._entry(start, end, at, history.template.id)
                for history in self.busy
            },
        }

    def _entry(self, start: int, end: int, at: int, template_id: str | None) -> dict[str, float]:
        usage = self.usage(start, end, template_id)
        return {
            "runtime_seconds": usage.runtime_seconds,
            "vcpu_hours": usage.vcpu_hours,
            "ram_gb_hours": usage.ram_gb_hours,
            "data_transfer_gb": usage.data_transfer_gb,
            "usage_costs_usd": usage.cost_usd,
            "storage_gb_hours": usage.storage_gb_hours,
            "running_sandboxes": self.running(at, template_id),
            "storage_capacity_gb": self.paused_mib(at, template_id) / MIB_PER_GIB,
        }

    def _chosen(self, template_id: str | None) -> Sequence[History]:
        return self._busy if template_id is None else (self._histories[template_id],)

    def _find_busy(self) -> None:
        self._busy = [history for history in self._histories.values() if history.busy]


_Changes = Callable[[History, int, int], Iterable[Change]]
_CHANGES: dict[Level, _Changes] = {
    Level.VCPUS: lambda h, start, end: h.running_changes(start, end, h.template.vcpus),
    Level.MEMORY_MIB: lambda h, start, end: h.running_changes(start, end, h.template.memory_mib),
    Level.SANDBOXES: lambda h, start, end: h.running_changes(start, end, 1),
    Level.TRANSFER_BYTES: History.transfer_changes,
    Level.PAUSED_MIB: History.storage_changes,
}
