"""Metrics of accounts that no vendor reports: budgets, names, and how polling them fares."""

from __future__ import annotations

from sandbox_exporter.catalogue.metric import Metric, Type
from sandbox_exporter.catalogue.usage import TEMPLATE_LABELS

BUDGET = Metric(
    "sandbox_account_budget_usd",
    Type.GAUGE,
    "Monthly budget of the account.",
    "configuration `budget_usd`",
    "usd",
)
TEMPLATE_INFO = Metric(
    "sandbox_template_info",
    Type.GAUGE,
    "What a template is called; always 1.",
    labels=(*TEMPLATE_LABELS, "name", "type", "version"),
)
UP = Metric(
    "sandbox_up",
    Type.GAUGE,
    "1 when the last poll of the account's own totals succeeded; sandbox_endpoint_up has the rest.",
    "polls",
)
ENDPOINT_UP = Metric(
    "sandbox_endpoint_up",
    Type.GAUGE,
    "1 when the last call of the endpoint succeeded; missing where the deployment lacks it.",
    "polls",
    labels=("provider", "account", "endpoint"),
)
LAST_SUCCESS = Metric(
    "sandbox_last_success_timestamp_seconds",
    Type.GAUGE,
    "When the endpoint last answered, in Unix seconds.",
    "polls",
    "seconds",
    ("provider", "account", "endpoint"),
)
TEMPLATES = Metric(
    "sandbox_exporter_templates",
    Type.GAUGE,
    "Templates that are polled (known), beyond max_templates (dropped), or unusable (invalid).",
    "polls",
    labels=("provider", "account", "state"),
)

HEALTH_METRICS = (BUDGET, TEMPLATE_INFO, UP, ENDPOINT_UP, LAST_SUCCESS, TEMPLATES)
