"""SeaCloud's answers: summary, storage, costs, templates and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sandbox_exporter.simulator.fleet import Fleet
from sandbox_exporter.simulator.history import History
from sandbox_exporter.simulator.sessions import MS_PER_DAY
from sandbox_exporter.simulator.stand_in import Params, Refused
from sandbox_exporter.simulator.usage import FREE_STORAGE_MIB, MIB_PER_GIB, Usage
from sandbox_exporter.vendors.seacloud.simulator import params as asked

_MOST_HELD = 500
_MOST_RUNNING = 200
_LONGEST_RUN_SECONDS = 3600
_VISIBILITIES: Mapping[str, Callable[[History], bool]] = {
    "": lambda _: True,
    "public": lambda history: history.template.type != "custom",
    "team": lambda history: history.template.type == "custom",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request: whose fleet, when, and its parameters."""

    fleet: Fleet
    account: str
    project_id: str
    now_ms: int
    params: Params

    @property
    def template_id(self) -> str | None:
        """The template asked for, None for all; refuses unknown ones."""
        template_id = asked.template(self.params)
        if template_id is not None and template_id not in self.fleet:
            raise Refused(404, "not found")
        return template_id


def summary(question: Question) -> object:
    """`/sandboxes/usage/summary`: usage of a window, and the levels of this moment."""
    window = asked.summary_window(question.params, question.now_ms)
    template_id = question.template_id
    usage = _usage_so_far(question, window.start, window.end)
    paused_mib = question.fleet.paused_mib(question.now_ms, template_id)
    return {
        "vcpu_hours": usage.vcpu_hours,
        "ram_gb_hours": usage.ram_gb_hours,
        "storage_capacity_gb": paused_mib / MIB_PER_GIB,
        "running_sandboxes": question.fleet.running(question.now_ms, template_id),
        "data_transfer_gb": usage.data_transfer_gb,
        "usage_costs_usd": usage.cost_usd,
        **window.echo,
    }


def storage(question: Question) -> object:
    """`/sandboxes/usage/storage/realtime`: strings, in MiB."""
    used = question.fleet.paused_mib(question.now_ms)
    return {"storage_mib": str(used), "free_storage_mib": str(max(0, FREE_STORAGE_MIB - used))}


def costs(question: Question) -> object:
    """`/sandboxes/usage/costs`: a month's money, day by day as far as it has come."""
    month = asked.month(question.params, question.now_ms)
    start, end = month.start * 1000, min(month.end * 1000, question.now_ms)
    return {
        "cycle_type": "day",
        "month": str(month),
        "current_value_usd": _usage_so_far(question, start, end).cost_usd,
        "usages": [
            _day_item(day, _usage_so_far(question, day, day + MS_PER_DAY))
            for day in range(start, end, MS_PER_DAY)
        ],
    }


def templates(question: Question) -> object:
    """`/templates`: one page as a bare array, as the vendor's clients read it."""
    offset, limit = asked.page(question.params)
    shown = _VISIBILITIES.get(question.params.get("visibility", ""))
    if shown is None:
        raise Refused(400, "visibility must be public or team")
    listed = [history for history in question.fleet.listed(question.now_ms) if shown(history)]
    return [_item(history, question.now_ms) for history in listed[offset : offset + limit]]


def limits(question: Question) -> object:
    """`/usage/limits`: the quota of user and project, and how much of it is taken."""
    running = question.fleet.running(question.now_ms)
    scope = {
        "usage": {"held": running, "running": running},
        "limits": {
            name: {"limit": most, "used": running, "remaining": most - running, "enforced": True}
            for name, most in (("held", _MOST_HELD), ("running", _MOST_RUNNING))
        },
    }
    return {
        "resource": "sandbox",
        "unlimited": False,
        "user": {"id": question.account, **scope},
        "project": {"id": question.project_id, **scope},
        "runtime": {"maxRuntimeSeconds": _LONGEST_RUN_SECONDS},
    }


def _usage_so_far(question: Question, start: int, end: int) -> Usage:
    """No window reaches beyond this moment."""
    end = min(end, question.now_ms)
    return question.fleet.usage(min(start, end), end, question.template_id)


def _day_item(day: int, usage: Usage) -> dict[str, object]:
    """Counters in the units of the vendor's prices: vCPU-seconds, GiB-seconds and GiB-hours."""
    return {
        "date": datetime.fromtimestamp(day / 1000, UTC).date().isoformat(),
        "vcpu": usage.vcpu_hours * 3600,
        "ram": usage.ram_gb_hours * 3600,
        "storage": usage.storage_gb_hours,
        "amount": usage.cost_usd,
    }


def _item(history: History, now_ms: int) -> dict[str, object]:
    template = history.template
    spawned = history.last_session(now_ms)
    return {
        "templateID": template.id,
        "names": [f"sim/{template.name}"],
        "aliases": [template.name],
        "type": template.type,
        "version": template.version,
        "cpuCount": template.vcpus,
        "memoryMB": template.memory_mib,
        "diskSizeMB": template.disk_mib,
        "public": template.type != "custom",
        "spawnCount": history.sessions(now_ms),
        "lastSpawnedAt": None if spawned is None else _iso(spawned),
        "extensions": {},
    }


def _iso(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
