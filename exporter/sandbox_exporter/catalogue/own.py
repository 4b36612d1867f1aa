"""Metrics of the exporter itself; `process_*` and `python_*` come beside them."""

from __future__ import annotations

from sandbox_exporter.catalogue.metric import Metric, Type

API_REQUESTS = Metric(
    "sandbox_exporter_api_requests_total",
    Type.COUNTER,
    "Upstream calls, retries too; code is the HTTP status (5xx and the like for one nobody "
    "registered), or the reason when none came.",
    "HTTP client",
    labels=("provider", "account", "endpoint", "code"),
)
API_DURATION = Metric(
    "sandbox_exporter_api_request_duration_seconds",
    Type.HISTOGRAM,
    "Duration of upstream calls, retries too, of all accounts of a provider.",
    "HTTP client",
    "seconds",
    ("provider", "endpoint"),
)
API_ERRORS = Metric(
    "sandbox_exporter_api_errors_total",
    Type.COUNTER,
    "Failed upstream calls, retries too, by reason.",
    "HTTP client",
    labels=("provider", "account", "endpoint", "reason"),
)
CORRECTIONS = Metric(
    "sandbox_exporter_corrections_total",
    Type.COUNTER,
    "Answers in which a vendor total had fallen within a month; counters hold meanwhile.",
    "ledger",
)
SKIPPED = Metric(
    "sandbox_exporter_template_calls_skipped_total",
    Type.COUNTER,
    "Template calls saved, for the account's totals proved the templates unchanged.",
    "polls",
)
POLL_DURATION = Metric(
    "sandbox_exporter_poll_duration_seconds",
    Type.GAUGE,
    "Duration of the account's last poll.",
    "polls",
    "seconds",
)
LAST_POLL = Metric(
    "sandbox_exporter_last_poll_timestamp_seconds",
    Type.GAUGE,
    "When the account's last poll ended, well or not, in Unix seconds; it stops when polls do.",
    "polls",
    "seconds",
)
PUBLISH_DURATION = Metric(
    "sandbox_exporter_publish_duration_seconds",
    Type.GAUGE,
    "Duration of the last rendering of what scrapes are served.",
    "exposition",
    "seconds",
    (),
)
SERIES = Metric(
    "sandbox_exporter_published_samples",
    Type.GAUGE,
    "Samples in the last publication, the exporter's own metrics aside.",
    "exposition",
    labels=(),
)
RELOAD_OK = Metric(
    "sandbox_exporter_config_last_reload_successful",
    Type.GAUGE,
    "1 when the last attempt to load the configuration succeeded.",
    "configuration",
    labels=(),
)
RELOAD_TIME = Metric(
    "sandbox_exporter_config_last_reload_success_timestamp_seconds",
    Type.GAUGE,
    "When the configuration was last loaded, in Unix seconds.",
    "configuration",
    "seconds",
    (),
)
WEB_RELOAD_OK = Metric(
    "sandbox_exporter_web_config_last_reload_successful",
    Type.GAUGE,
    "0 while the web configuration file was refused after a change and the old one is in force.",
    "web configuration",
    labels=(),
)
STATE_OK = Metric(
    "sandbox_exporter_state_file_last_save_successful",
    Type.GAUGE,
    "1 when the last attempt to save the state file succeeded; missing without a state file.",
    "state file",
    labels=(),
)
STATE_TIME = Metric(
    "sandbox_exporter_state_file_last_save_success_timestamp_seconds",
    Type.GAUGE,
    "When the state file was last saved, in Unix seconds.",
    "state file",
    "seconds",
    (),
)
OTLP_EXPORTS = Metric(
    "sandbox_exporter_otlp_exports_total",
    Type.COUNTER,
    "Attempts to send a signal (metrics, traces) over OTLP, by result (success, failure).",
    "OTLP",
    labels=("signal", "result"),
)
BUILD_INFO = Metric(
    "sandbox_exporter_build_info",
    Type.GAUGE,
    "What runs; always 1.",
    "exporter",
    labels=("version", "python_version"),
)

SELF_METRICS = (
    API_REQUESTS,
    API_DURATION,
    API_ERRORS,
    CORRECTIONS,
    SKIPPED,
    POLL_DURATION,
    LAST_POLL,
    PUBLISH_DURATION,
    SERIES,
    RELOAD_OK,
    RELOAD_TIME,
    WEB_RELOAD_OK,
    STATE_OK,
    STATE_TIME,
    OTLP_EXPORTS,
    BUILD_INFO,
)
