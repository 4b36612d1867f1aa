"""Alerts on the data itself: whether what is known of an account is there, fresh and whole."""

from __future__ import annotations

from alerting.model import ACCOUNT, Alert, Dashboard, Group, Severity, duration
from alerting.ranges import events
from alerting.thresholds import Thresholds

_ENDPOINT = f"{ACCOUNT}, endpoint"
_REFUSED = "auth|forbidden"
_UNREADABLE = "schema|upgrade_required"


def data_groups(limits: Thresholds) -> tuple[Group, ...]:
    """All alerts on data."""
    rules = (
        _exporter_down(limits),
        _account_down(limits),
        _credentials(limits),
        _stale(limits),
        _rate_limited(limits),
        _schema(limits),
        _dropped(limits),
        _reload(limits),
    )
    return (Group("sandbox-data", limits.interval, rules),)


def _failing(limits: Thresholds, reasons: str) -> str:
    """Endpoints that are down and lately failed for one of the reasons."""
    errors = f'sandbox_exporter_api_errors_total{{reason=~"{reasons}"}}'
    lately = events(errors, _ENDPOINT, duration(limits.refused_window))
    return f"max by ({_ENDPOINT}) (sandbox_endpoint_up) == 0\nand {lately} > 0"


def _exporter_down(limits: Thresholds) -> Alert:
    # Whatever its job is called, it is known by the series that it served when it last worked.
    # Over OpenTelemetry there is no target, and the series are all that tells.
    return Alert(
        "SandboxExporterDown",
        Severity.PAGE,
        "max by (job) (up and on (job, instance) last_over_time(sandbox_exporter_build_info[7d]))"
        " == 0\n"
        "or on () absent(sandbox_exporter_build_info or sandbox_up)",
        limits.exporter_hold,
        "The sandbox usage exporter is down",
        "Prometheus reaches no instance of the sandbox usage exporter (job {job}). Until it is"
        " back nobody sees what sandboxes cost, and no other alert on them can fire.",
        Dashboard.EXPORTER,
        labels=("job",),
    )


def _account_down(limits: Thresholds) -> Alert:
    # Where the cause has an alert of its own, that one tells what to do.
    return Alert(
        "SandboxAccountDown",
        Severity.TICKET,
        f"min by ({ACCOUNT}) (max by ({ACCOUNT}, endpoint) (sandbox_endpoint_up)) == 0\n"
        f"unless on ({ACCOUNT}) (\n{_indent(_failing(limits, f'{_REFUSED}|{_UNREADABLE}'))}\n)",
        limits.account_hold,
        "Account {account} cannot be polled",
        "At least one endpoint of the vendor has failed for account {account} ({provider}), for"
        f" {duration(limits.account_hold)} now. What it tells goes missing, and the alerts on that"
        " are silent.",
        Dashboard.EXPORTER,
    )


def _credentials(limits: Thresholds) -> Alert:
    return Alert(
        "SandboxCredentialsRejected",
        Severity.TICKET,
        f"count by ({ACCOUNT}) (\n{_indent(_failing(limits, _REFUSED))}\n)",
        limits.refused_hold,
        "The vendor rejects the API key of account {account}",
        "The vendor refuses the API key of account {account} ({provider}) at {value|number} of its"
        " endpoints. It will not recover by itself: the key needs to be replaced or given its"
        " rights.",
        Dashboard.EXPORTER,
    )


def _stale(limits: Thresholds) -> Alert:
    ages = (
        f"time() - max by ({_ENDPOINT}) (sandbox_last_success_timestamp_seconds"
        '{endpoint=~"summary|usage|template_summary"})'
    )
    return Alert(
        "SandboxUsageStale",
        Severity.TICKET,
        f"max by ({ACCOUNT}) ({ages})\n> {limits.stale_age}",
        limits.stale_hold,
        "Usage of account {account} is out of date",
        "The usage of account {account} ({provider}), or of its templates, was last read"
        f" {{value|duration}} ago; the limit is {duration(limits.stale_age)}. Its spend alerts are"
        " silent.",
        Dashboard.EXPORTER,
    )


def _rate_limited(limits: Thresholds) -> Alert:
    window = duration(limits.limited_window)
    refused = 'sandbox_exporter_api_errors_total{reason="rate_limited"}'
    return Alert(
        "SandboxApiRateLimited",
        Severity.INFO,
        f"{events(refused, ACCOUNT, window)}\n"
        f"/ {events('sandbox_exporter_api_requests_total', ACCOUNT, window)}\n"
        f"> {limits.limited_share:g}",
        limits.limited_hold,
        "The vendor's API slows down account {account}",
        "The vendor turned away {value|percent} of the calls for account {account} ({provider}) in"
        f" the last {window} because they came too fast; the limit is {limits.limited_share:.0%}."
        " Its numbers come late.",
        Dashboard.EXPORTER,
    )


def _schema(limits: Thresholds) -> Alert:
    # A field that is left out is no error to the exporter: the series is missing, the poll is good.
    totals = '{__name__=~"sandbox_account_(cost_usd|runtime_seconds)_total"}'
    return Alert(
        "SandboxApiSchemaChanged",
        Severity.TICKET,
        f"count by ({ACCOUNT}) (\n{_indent(_failing(limits, _UNREADABLE))}\n)\n"
        "or (\n"
        f"  max by ({ACCOUNT}) (last_over_time({totals}[7d]))\n"
        f"  unless max by ({ACCOUNT}) ({totals})\n"
        f"  and max by ({ACCOUNT}) (sandbox_up) == 1\n"
        ") * 0 + 1",
        limits.refused_hold,
        "The vendor's API answers account {account} differently than documented",
        "Answers for account {account} ({provider}) cannot be read, or lack their main total, at"
        " {value|number} of its endpoints. The vendor may have changed its API; a newer exporter"
        " may know it.",
        Dashboard.EXPORTER,
    )


def _dropped(limits: Thresholds) -> Alert:
    return Alert(
        "SandboxTemplatesDropped",
        Severity.INFO,
        f'max by ({ACCOUNT}) (sandbox_exporter_templates{{state="dropped"}}) > 0',
        limits.dropped_hold,
        "Account {account} has more templates than are polled",
        "{value|number} templates of account {account} ({provider}) are beyond max_templates and"
        " not polled. The account's totals are right, its breakdown by template is not whole.",
        Dashboard.USAGE,
    )


def _reload(limits: Thresholds) -> Alert:
    return Alert(
        "SandboxConfigReloadFailed",
        Severity.TICKET,
        "min by (job, instance)"
        ' ({__name__=~"sandbox_exporter_(web_)?config_last_reload_successful"}) == 0',
        limits.reload_hold,
        "The exporter at {instance} refused its new configuration",
        "The sandbox usage exporter at {instance} could not load its configuration, or that of its"
        " web server, and goes on with the one before. Its log names every mistake.",
        Dashboard.EXPORTER,
        labels=("job", "instance"),
    )


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
