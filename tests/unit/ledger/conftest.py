"""The made-up vendor of the poll tests, whose pollers have a ledger to be saved."""

from __future__ import annotations

from tests.unit.poll.conftest import fake_vendor, make_polled

__all__ = ["fake_vendor", "make_polled"]
