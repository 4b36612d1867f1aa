"""What vendors report, in base units. A leaf: knows no vendor, no metric name, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

HOUR = 3600
MIB = 2**20
GIB = 2**30
GB = 10**9


class Kind(StrEnum):
    """How a quantity behaves in time."""

    MONTH_TOTAL = "month_total"
    """Usage of the billing month so far; starts at 0 with each month."""
    LIFETIME_TOTAL = "lifetime_total"
    """Usage since the account began; never starts again."""
    LEVEL = "level"
    """A state at this moment, free to rise and fall."""


class Field(StrEnum):
    """A quantity that some vendor reports, named by its base unit."""

    VCPU_SECONDS = "vcpu_seconds"
    MEMORY_BYTE_SECONDS = "memory_byte_seconds"
    DATA_TRANSFER_BYTES = "data_transfer_bytes"
    COST_USD = "cost_usd"
    RUNNING_SANDBOXES = "running_sandboxes"
    PAUSED_STORAGE_BYTES = "paused_storage_bytes"
    STORAGE_USED_BYTES = "storage_used_bytes"
    STORAGE_FREE_BYTES = "storage_free_bytes"
    BILLED_COST_CURRENT_USD = "billed_cost_current_usd"
    BILLED_COST_PREVIOUS_USD = "billed_cost_previous_usd"
    RUNTIME_SECONDS = "runtime_seconds"
    SESSIONS = "sessions"
    MONTH_RUNTIME_SECONDS = "month_runtime_seconds"


KINDS: Mapping[Field, Kind] = {
    Field.VCPU_SECONDS: Kind.MONTH_TOTAL,
    Field.MEMORY_BYTE_SECONDS: Kind.MONTH_TOTAL,
    Field.DATA_TRANSFER_BYTES: Kind.MONTH_TOTAL,
    Field.COST_USD: Kind.MONTH_TOTAL,
    Field.RUNNING_SANDBOXES: Kind.LEVEL,
    Field.PAUSED_STORAGE_BYTES: Kind.LEVEL,
    Field.STORAGE_USED_BYTES: Kind.LEVEL,
    Field.STORAGE_FREE_BYTES: Kind.LEVEL,
    Field.BILLED_COST_CURRENT_USD: Kind.LEVEL,
    Field.BILLED_COST_PREVIOUS_USD: Kind.LEVEL,
    Field.RUNTIME_SECONDS: Kind.LIFETIME_TOTAL,
    Field.SESSIONS: Kind.LIFETIME_TOTAL,
    Field.MONTH_RUNTIME_SECONDS: Kind.LEVEL,
}

BILLING_UNITS: Mapping[Field, float] = {
    Field.VCPU_SECONDS: HOUR,
    Field.MEMORY_BYTE_SECONDS: GIB * HOUR,
    Field.DATA_TRANSFER_BYTES: GB,
    Field.PAUSED_STORAGE_BYTES: GIB,
}
"""The unit in which quantities are billed, and in which vendors round them; 1 where not named."""

Readings = Mapping[Field, float]
"""Finite values >= 0 in base units; what the vendor left out or sent as null is not in it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A sandbox template as the vendor lists it."""

    id: str
    name: str = ""
    type: str = ""
    version: str = ""
    spawn_count: int = 0
    last_spawned: float = 0.0
    """Unix seconds; 0 when the vendor does not say."""
