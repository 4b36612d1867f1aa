"""What the parts of an account's poll share: the way to the vendor, and the clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox_exporter.client import Client, Limiter
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.vendors.base import Provider

LONGEST_POLL = 60.0
"""Seconds after which a poll ends at the latest, whatever its interval."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks, and what depends on them."""

    close: MonthClose = field(default_factory=MonthClose)
    stale_after: float = 300.0
    """Seconds without a success after which a failing endpoint's numbers disappear."""
    wall: Callable[[], float] = time.time
    """Unix seconds; may be set back or forward at any time."""
    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds, for ages and intervals."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The way to an account's vendor."""

    provider: Provider
    client: Client
    limiter: Limiter
