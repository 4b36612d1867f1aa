"""The names of the recording rules, which alerts and dashboards use."""

from __future__ import annotations

ELAPSED = "month:sandbox_elapsed_seconds:utc"
REMAINING = "month:sandbox_remaining_seconds:utc"
AGE = "account:sandbox_usage_age_seconds:min"

BUDGET = "account:sandbox_account_budget_usd:max"
MONTH_COST = "account:sandbox_account_month_cost_usd:max"
COST_HOUR = "account:sandbox_account_cost_usd:increase1h"
COST_DAY = "account:sandbox_account_cost_usd:increase1d"
COST_HOUR_WEEK = "account:sandbox_account_cost_usd:increase1h_avg7d"
USUAL_DAY = "account:sandbox_account_cost_usd:usual1d"
FORECAST_DAY = "account:sandbox_account_month_cost_usd:forecast1d"
FORECAST_WEEK = "account:sandbox_account_month_cost_usd:forecast7d"
UNEXPLAINED = "account:sandbox_account_month_cost_usd:unexplained_ratio"
BILLED = "account:sandbox_account_billed_cost_usd:current"
RUNNING = "account:sandbox_account_running_sandboxes:max"
RUNNING_HOUR = "account:sandbox_account_running_sandboxes:avg1h"
RUNNING_USUAL = "account:sandbox_account_running_sandboxes:usual"
PAUSED_HOUR = "account:sandbox_account_paused_storage_bytes:avg1h"
PAUSED_WEEK_AGO = "account:sandbox_account_paused_storage_bytes:week_ago"

TEMPLATE_HOUR = "template:sandbox_template_cost_usd:increase1h"
TEMPLATE_USUAL = "template:sandbox_template_cost_usd:usual1h"
