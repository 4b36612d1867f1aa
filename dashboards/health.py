"""Exporter health: its polls, the calls that they cost, and the process."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, table
from grafana_foundation_sdk.builders import timeseries as time_series

from alerting.ranges import events
from dashboards import frame, promql
from dashboards.frame import Page, Section
from dashboards.names import metric, source
from dashboards.panels import (
    BINARY_BYTES,
    COUNT,
    ORANGE,
    PERCENT,
    RED,
    SECONDS,
    SINCE,
    About,
    Column,
    Query,
    bars,
    card,
    lines,
    rows,
)

_REQUESTS = "sandbox_exporter_api_requests_total"
_DURATION = "sandbox_exporter_api_request_duration_seconds"
_SKIPPED = "sandbox_exporter_template_calls_skipped_total"
_TEMPLATES = "sandbox_exporter_templates"
_CORRECTIONS = "sandbox_exporter_corrections_total"
_POLL = "sandbox_exporter_poll_duration_seconds"
_PUBLISH = "sandbox_exporter_publish_duration_seconds"
_SAMPLES = "sandbox_exporter_published_samples"
_RELOAD_OK = "sandbox_exporter_config_last_reload_successful"
_RELOAD_TIME = "sandbox_exporter_config_last_reload_success_timestamp_seconds"
_BUILD = "sandbox_exporter_build_info"
_PROCESS = "Source: the process collector of the Prometheus client library."


def page() -> Page:
    """The dashboard."""
    return Page(
        uid="sandbox-exporter-health",
        title="Sandbox exporter health",
        description="Whether the exporter keeps up, and what it costs vendors and this machine.",
        variables=frame.accounts(),
        period="now-6h",
        sections=[
            Section("Exporter", [_instances(), _reload(), _samples(), _publish(), _corrections()]),
            Section("Polls and calls", [_polls(), _calls(), _latency(), _failures()]),
            Section("Templates", [_skipped(), _templates()]),
            Section("Process", [_processor(), _memory(), _files()]),
        ],
    )


def _of(name: str, matchers: str = "") -> str:
    return f"{metric(name)}{{{promql.ACCOUNTS}{matchers}}}"


def _own(name: str) -> str:
    """A metric of the exporter's processes, of whatever job."""
    return f"{metric(name)} and on (job, instance) last_over_time({metric(_BUILD)}[$__range])"


def _instances() -> table.Panel:
    about = About(
        "Exporters",
        "Every exporter seen within the time range: whether Prometheus reaches it, its version, "
        f"and since when it runs.\n\nSource: `up`, `process_start_time_seconds`, `{_BUILD}`.",
        COUNT,
        width=8,
        height=5,
    )
    build = f"last_over_time({metric(_BUILD)}[$__range])"
    started = f"1000 * {metric('process_start_time_seconds')}"
    joined = "* on (job, instance) group_left (version)"
    columns = [
        Column("Reached", f"{metric('up')} {joined} {build}", "bool_yes_no"),
        Column("Started", f"{started} {joined} {build}", SINCE),
    ]
    return rows(about, {"instance": "Instance", "version": "Version"}, columns)


def _small(title: str, description: str, unit: str, digits: int, expr: str) -> stat.Panel:
    about = About(title, description, unit, digits, width=4, height=5)
    return card(about, Query(expr, title))


def _reload() -> stat.Panel:
    return _small(
        "Loaded",
        f"When the configuration was last loaded well.\n\n{source(_RELOAD_TIME, _RELOAD_OK)}",
        SINCE,
        0,
        f"1000 * min({metric(_RELOAD_TIME)})",
    )


def _samples() -> stat.Panel:
    return _small(
        "Samples",
        f"Samples that a scrape is served, the exporter's own aside.\n\n{source(_SAMPLES)}",
        COUNT,
        0,
        f"max({metric(_SAMPLES)})",
    )


def _publish() -> stat.Panel:
    about = About(
        "Publishing",
        f"How long the last rendering of what scrapes are served took.\n\n{source(_PUBLISH)}",
        SECONDS,
        1,
        ((0.5, ORANGE), (2.0, RED)),
        width=4,
        height=5,
    )
    return card(about, Query(f"max({metric(_PUBLISH)})", "publish"), sparkline=True)


def _corrections() -> stat.Panel:
    return _small(
        "Corrected",
        "Answers within the time range in which a vendor's total had fallen within its month; "
        f"counters hold meanwhile.\n\n{source(_CORRECTIONS)}",
        COUNT,
        0,
        f"sum({events(_of(_CORRECTIONS), 'account', promql.RANGE)})",
    )


def _polls() -> time_series.Panel:
    about = About(
        "Duration of polls",
        "Of each account's last poll. One that takes longer than the poll interval delays the next."
        f"\n\n{source(_POLL)}",
        SECONDS,
    )
    return lines(about, Query(promql.of_accounts(_POLL), "{{account}}"))


def _calls() -> time_series.Panel:
    about = About(
        "Upstream calls a minute",
        f"By account and endpoint, retries too.\n\n{source(_REQUESTS)}",
        COUNT,
        1,
        legend_beside=True,
    )
    calls = f"60 * {promql.rate(_of(_REQUESTS), 'account, endpoint')}"
    return lines(about, Query(calls, "{{account}} {{endpoint}}"))


def _latency() -> time_series.Panel:
    about = About(
        "Latency of upstream calls",
        f"Median and 99th percentile by endpoint, of each attempt.\n\n{source(_DURATION)}",
        SECONDS,
        legend_beside=True,
    )
    # Durations are told of all accounts of a provider together.
    buckets = f"{metric(_DURATION)}_bucket{{{promql.PROVIDERS}}}"
    spread = promql.counted_lately(buckets, "endpoint, le")
    return lines(
        about,
        Query(f"histogram_quantile(0.5, {spread})", "{{endpoint}} median"),
        Query(f"histogram_quantile(0.99, {spread})", "{{endpoint}} 99 %"),
    )


def _failures() -> time_series.Panel:
    about = About(
        "Calls without a good answer",
        "Calls by what came instead of HTTP 200: another status, or the reason why none came. "
        f"Those worth another attempt are retried, and count each time.\n\n{source(_REQUESTS)}",
        COUNT,
        0,
    )
    failed = promql.counted_by_bucket(_of(_REQUESTS, ', code!="200"'), "account, endpoint, code")
    query = Query(failed, "{{account}} {{endpoint}}: {{code}}", "5m")
    return bars(about, query).no_value("None.")


def _skipped() -> time_series.Panel:
    about = About(
        "Template calls saved",
        "Share of template calls that were not needed, as the account's totals proved the "
        f"templates unchanged.\n\n{source(_SKIPPED, _REQUESTS)}",
        PERCENT,
        0,
        height=7,
    )
    skipped = promql.counted_lately(_of(_SKIPPED), "account")
    template_calls = _of(_REQUESTS, ', endpoint="template_summary"')
    made = promql.counted_lately(template_calls, "account")
    share = f"{skipped} / ({skipped} + {made} > 0)"
    return lines(about, Query(share, "{{account}}")).max(1)


def _templates() -> time_series.Panel:
    about = About(
        "Templates",
        "Those that are polled (known), and those beyond `max_templates` (dropped)."
        f"\n\n{source(_TEMPLATES)}",
        COUNT,
        0,
        height=7,
    )
    counted = f"max by (account, state) ({_of(_TEMPLATES)})"
    return lines(about, Query(counted, "{{account}} {{state}}"))


def _processor() -> time_series.Panel:
    about = About("Processor", f"Cores in use.\n\n{_PROCESS}", COUNT, 3, width=8, height=7)
    return lines(about, Query(_own_rate("process_cpu_seconds_total"), "{{instance}}"))


def _own_rate(name: str) -> str:
    return f"{promql.rate(metric(name), 'job, instance')} and on (job, instance) {metric(_BUILD)}"


def _memory() -> time_series.Panel:
    about = About("Memory", f"Resident memory.\n\n{_PROCESS}", BINARY_BYTES, 0, width=8, height=7)
    return lines(about, Query(_own("process_resident_memory_bytes"), "{{instance}}"))


def _files() -> time_series.Panel:
    about = About(
        "Open files", f"File descriptors, sockets too.\n\n{_PROCESS}", COUNT, 0, width=8, height=7
    )
    return lines(about, Query(_own("process_open_fds"), "{{instance}}"))
