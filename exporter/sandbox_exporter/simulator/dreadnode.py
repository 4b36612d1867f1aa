"""Dreadnode's answer: the usage of an organization."""

from __future__ import annotations

from sandbox_exporter.billing import Month
from sandbox_exporter.simulator.organization import Organization


def usage(organization: Organization, now_ms: int) -> object:
    """`/org/{org}/sandboxes/usage`: whole seconds, of this UTC month and ever."""
    month_start = Month.at(now_ms / 1000).start * 1000
    return {
        "current_month_seconds": organization.runtime_ms(month_start, now_ms) // 1000,
        "sessions_count": organization.sessions(now_ms),
        "total_runtime_seconds": organization.lifetime_ms(now_ms) // 1000,
    }
