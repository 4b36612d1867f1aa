"""The quantities that the console shows as totals, in its units."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.names import source
from dashboards.panels import BYTES, GIB_HOURS, USD, VCPU_HOURS
from dashboards.promql import (
    RANGE,
    Over,
    filtered,
    named,
    of_templates,
    used_by_many,
    used_in_range,
)

_HOUR = 3600
_GIB_HOUR = 2**30 * _HOUR


@dataclass(frozen=True, slots=True)
class Quantity:
    """A total of usage or money."""

    title: str
    meaning: str
    stem: str
    """What follows `sandbox_account_` and `sandbox_template_` in its counters' names."""
    unit: str
    per: int
    """How much of the counter is one `unit`."""
    decimals: int

    @property
    def counter(self) -> str:
        """Of its counters' names what follows the level."""
        return f"{self.stem}_total"

    @property
    def source(self) -> str:
        """Where its counters come from."""
        return source(f"sandbox_account_{self.counter}", f"sandbox_template_{self.counter}")

    @property
    def month_source(self) -> str:
        """Where the vendor's month to date comes from."""
        return source(f"sandbox_account_month_{self.stem}", f"sandbox_template_month_{self.stem}")

    def scaled(self, expr: str) -> str:
        """An expression in counter units, in `unit`."""
        return expr if self.per == 1 else f"({expr}) / {self.per}"

    def filtered(self, over: Over) -> str:
        """By account: its own total, or that of the chosen templates; in `unit`."""
        return self.scaled(filtered(self.counter, over))

    def by_template(self) -> str:
        """One series a chosen template, by name, in the dashboard's range; in `unit`."""
        grown = of_templates(f"sandbox_template_{self.counter}", used_by_many())
        return named(self.scaled(grown))

    def total(self, window: str = RANGE, ago: str = "") -> str:
        """One number for all that is chosen, in a window that ends now or earlier; in `unit`."""
        return self.scaled(f"sum({filtered(self.counter, used_in_range(window, ago))})")

    def month_to_date(self) -> str:
        """One number: the vendor's own figure for the billing month; in `unit`."""
        return self.scaled(f"sum({filtered(f'month_{self.stem}')})")


VCPU = Quantity(
    "vCPU hours",
    "Reserved vCPUs times the hours that sandboxes ran, whether they used them or not.",
    "vcpu_seconds",
    VCPU_HOURS,
    _HOUR,
    1,
)
MEMORY = Quantity(
    "RAM GB-hours",
    "Reserved memory times the hours that sandboxes ran. The vendor's GB are GiB (2^30) here.",
    "memory_byte_seconds",
    GIB_HOURS,
    _GIB_HOUR,
    1,
)
TRANSFER = Quantity(
    "Data transfer",
    "Bytes that sandboxes transferred (a GB has 10^9).",
    "data_transfer_bytes",
    BYTES,
    1,
    2,
)
COST = Quantity(
    "Cost",
    "Runtime vCPU, runtime RAM and data transfer in USD. Paused storage is not in it.",
    "cost_usd",
    USD,
    1,
    2,
)
TOTALS = (VCPU, MEMORY, TRANSFER, COST)
