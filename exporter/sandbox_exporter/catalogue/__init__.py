"""Every metric, named once: exposition, documentation and dashboards take the names from here."""

from __future__ import annotations

from sandbox_exporter.catalogue.health import (
    BUDGET,
    ENDPOINT_UP,
    HEALTH_METRICS,
    LAST_SUCCESS,
    TEMPLATE_INFO,
    TEMPLATES,
    UP,
)
from sandbox_exporter.catalogue.metric import Metric, Show, Type, UsageMetric
from sandbox_exporter.catalogue.own import (
    API_DURATION,
    API_ERRORS,
    API_REQUESTS,
    BUILD_INFO,
    CORRECTIONS,
    LAST_POLL,
    OTLP_EXPORTS,
    POLL_DURATION,
    PUBLISH_DURATION,
    RELOAD_OK,
    RELOAD_TIME,
    SELF_METRICS,
    SERIES,
    SKIPPED,
    STATE_OK,
    STATE_TIME,
    WEB_RELOAD_OK,
)
from sandbox_exporter.catalogue.sources import source_of
from sandbox_exporter.catalogue.usage import ACCOUNT_METRICS, TEMPLATE_METRICS

__all__ = [
    "ACCOUNT_METRICS",
    "API_DURATION",
    "API_ERRORS",
    "API_REQUESTS",
    "BUDGET",
    "BUILD_INFO",
    "CORRECTIONS",
    "ENDPOINT_UP",
    "HEALTH_METRICS",
    "LAST_POLL",
    "LAST_SUCCESS",
    "OTLP_EXPORTS",
    "POLL_DURATION",
    "PUBLISH_DURATION",
    "RELOAD_OK",
    "RELOAD_TIME",
    "SELF_METRICS",
    "SERIES",
    "SKIPPED",
    "STATE_OK",
    "STATE_TIME",
    "TEMPLATES",
    "TEMPLATE_INFO",
    "TEMPLATE_METRICS",
    "UP",
    "WEB_RELOAD_OK",
    "Metric",
    "Show",
    "Type",
    "UsageMetric",
    "catalogue",
    "source_of",
]


def catalogue() -> tuple[Metric, ...]:
    """Every metric family, once, in the order in which the documentation lists it."""
    usage = (entry.metric for entry in (*ACCOUNT_METRICS, *TEMPLATE_METRICS))
    return tuple(dict.fromkeys((*usage, *HEALTH_METRICS, *SELF_METRICS)))
