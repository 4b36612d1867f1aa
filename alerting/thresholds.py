"""Every number that decides when an alert fires. Change one here, then run `make docs`."""

from __future__ import annotations

from dataclasses import dataclass

from alerting.model import DAY, GIB, HOUR, MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Limits and how long they must be crossed. Money in USD, times in seconds."""

    interval: int = MINUTE
    """Between evaluations of account-level rules."""
    template_interval: int = 2 * MINUTE
    """Between evaluations of template-level rules, of which there may be thousands."""

    month_turn: int = 15 * MINUTE
    """After a month's start, how long its totals say nothing; more than `settle` and `zero` of the
    exporter's `month_close` together."""

    budget_hold: int = 10 * MINUTE
    forecast_quiet: int = 12 * HOUR
    """After a month's start, how long no forecast is made."""
    forecast_hold: int = HOUR

    rate_factor: float = 2
    """How many usual days' spend the last 24 hours must have cost."""
    rate_least_usd: float = 10
    """By how much they must have cost more than a usual day."""
    rate_history: int = 3 * DAY
    """For how long an account must have been seen before it has a usual day."""
    rate_hold: int = 30 * MINUTE

    surge_factor: float = 5
    """How many usual hours' spend a template's last hour must have cost."""
    surge_least_usd: float = 5
    """What it must have cost at least."""
    surge_explained: float = 0.8
    """Share of a template's spend that the account's own total must show too."""
    surge_hold: int = 10 * MINUTE

    runaway_factor: float = 3
    """How many times the usual sandboxes must run."""
    runaway_least: int = 20
    """How many more than usual must run."""
    runaway_hold: int = 15 * MINUTE

    storage_left: float = 0.1
    """Share of the free paused storage below which it is low."""
    storage_hold: int = 15 * MINUTE
    paused_factor: float = 1.5
    """By what paused storage must have grown in a week."""
    paused_least_bytes: int = 5 * GIB
    """By how much it must have grown at least."""
    paused_hold: int = HOUR

    mismatch_share: float = 0.05
    """Share of the metered cost by which the vendor's cost report may differ."""
    mismatch_least_usd: float = 1
    mismatch_delay: int = DAY
    """How far the cost report may be behind."""
    mismatch_hold: int = 6 * HOUR

    exporter_hold: int = 5 * MINUTE
    account_hold: int = 10 * MINUTE
    refused_window: int = 15 * MINUTE
    """How far back refused calls and unreadable answers count; over two poll intervals."""
    refused_hold: int = 5 * MINUTE
    stale_age: int = 15 * MINUTE
    """Age at which usage is stale; over two poll intervals, and over `stale_after`."""
    stale_hold: int = 5 * MINUTE
    limited_window: int = 30 * MINUTE
    limited_share: float = 0.1
    """Share of calls that the vendor may turn away for coming too fast."""
    limited_hold: int = 15 * MINUTE
    dropped_hold: int = 15 * MINUTE
    reload_hold: int = 5 * MINUTE
