"""The templates' numbers in a registry of prometheus_client, for contrast."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from sandbox_exporter.catalogue import TEMPLATE_INFO, TEMPLATE_METRICS, Show
from sandbox_exporter.snapshot import AccountSnapshot


def fill(account: AccountSnapshot) -> CollectorRegistry:
    """A registry with a sample for each of the templates' series."""
    registry = CollectorRegistry()
    for entry in TEMPLATE_METRICS:
        metric = entry.metric
        gauge = Gauge(metric.name, metric.help, metric.labels, registry=registry)
        for template in account.templates:
            usage = template.usage
            shown = usage.counters if entry.show is Show.COUNTER else usage.readings
            labels = (account.provider, account.account, template.template.id)
            gauge.labels(*labels).set(shown[entry.field])
    info = Gauge(TEMPLATE_INFO.name, TEMPLATE_INFO.help, TEMPLATE_INFO.labels, registry=registry)
    for template in account.templates:
        named = template.template
        info.labels(
            account.provider, account.account, named.id, named.name, named.type, named.version
        ).set(1)
    return registry
