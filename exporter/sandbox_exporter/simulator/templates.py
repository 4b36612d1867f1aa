"""The templates that a simulated account has."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

MOST_BUSY = 20
"""However many templates there are, no more than this have sandboxes."""

_SIZES = ((1, 512), (1, 1024), (2, 2048), (2, 4096), (4, 8192), (8, 16384))
_SIZE_ODDS = (2, 4, 6, 5, 2, 1)
_TYPES = ("custom", "base", "code-interpreter", "claude", "codex")
_TYPE_ODDS = (12, 2, 2, 1, 1)
_NAMES = (
    "agent", "browser", "build", "crawler", "data", "eval", "grader", "notebook", "review", "shell",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """A sandbox template: its size, and how busy it is."""

    id: str
    name: str
    type: str = "custom"
    version: str = "v0.1.0"
    vcpus: int = 1
    memory_mib: int = 512
    disk_mib: int = 10240
    sessions_per_day: float = 0.0
    """On a working day, on average; 0 for an idle template."""
    mean_runtime: float = 600.0
    """Seconds, of one session."""
    transfer_rate: int = 20_000
    """Bytes a second of a running sandbox, on average."""
    peak_hour: int = 14
    """UTC hour around which most sessions start."""


def make_templates(key: str, count: int) -> tuple[Template, ...]:
    """`count` templates, the same ones for the same key; a quarter of them, at least, idle."""
    busy = min(MOST_BUSY, count - count // 4)
    return tuple(_make(key, index, busy=index < busy) for index in range(count))


def _make(key: str, index: int, *, busy: bool) -> Template:
    rng = Random(f"{key}/template/{index}")
    kind = rng.choices(_TYPES, _TYPE_ODDS)[0]
    vcpus, memory_mib = rng.choices(_SIZES, _SIZE_ODDS)[0]
    return Template(
        id=f"tpl-{kind}-{rng.getrandbits(64):016x}",
        name=f"{rng.choice(_NAMES)}-{index:03d}",
        type=kind,
        version=f"v0.{rng.randrange(1, 9)}.{rng.randrange(4)}",
        vcpus=vcpus,
        memory_mib=memory_mib,
        disk_mib=rng.choice((5120, 10240, 20480)),
        sessions_per_day=20 * 10 ** rng.random() if busy else 0.0,
        mean_runtime=rng.uniform(240, 900),
        transfer_rate=int(5_000 * 20 ** rng.random()),
        peak_hour=rng.randrange(8, 20),
    )
