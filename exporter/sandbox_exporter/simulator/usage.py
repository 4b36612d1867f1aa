"""What was used in a window, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

MS_PER_HOUR = 3_600_000
MIB_PER_GIB = 1024

USD_PER_VCPU_SECOND = 0.000014
USD_PER_GIB_SECOND = 0.0000045
USD_PER_GB_TRANSFERRED = 0.05
"""Made-up prices of a likely size. Paused storage is not in the money."""

FREE_STORAGE_MIB = 10 * MIB_PER_GIB
"""Storage of paused sandboxes that is free of charge, per account."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Exact integer sums of a window; the properties give them in the vendors' units."""

    runtime_ms: int = 0
    vcpu_ms: int = 0
    memory_mib_ms: int = 0
    transfer_bytes_ms: int = 0
    """Bytes a second, times ms."""
    storage_mib_ms: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.runtime_ms + other.runtime_ms,
            self.vcpu_ms + other.vcpu_ms,
            self.memory_mib_ms + other.memory_mib_ms,
            self.transfer_bytes_ms + other.transfer_bytes_ms,
            self.storage_mib_ms + other.storage_mib_ms,
        )

    @property
    def runtime_seconds(self) -> float:
        """Seconds that sandboxes ran."""
        return self.runtime_ms / 1000

    @property
    def vcpu_hours(self) -> float:
        """Reserved vCPU times hours while running."""
        return self.vcpu_ms / MS_PER_HOUR

    @property
    def ram_gb_hours(self) -> float:
        """Reserved GiB times hours while running."""
        return self.memory_mib_ms / (MIB_PER_GIB * MS_PER_HOUR)

    @property
    def data_transfer_gb(self) -> float:
        """GB (10^9 bytes) transferred."""
        return self.transfer_bytes_ms / 1e12

    @property
    def storage_gb_hours(self) -> float:
        """GiB of paused sandboxes times hours."""
        return self.storage_mib_ms / (MIB_PER_GIB * MS_PER_HOUR)

    @property
    def cost_usd(self) -> float:
        """Runtime CPU, runtime RAM and data transfer in USD."""
        return (
            self.vcpu_hours * 3600 * USD_PER_VCPU_SECOND
            + self.ram_gb_hours * 3600 * USD_PER_GIB_SECOND
            + self.data_transfer_gb * USD_PER_GB_TRANSFERRED
        )
