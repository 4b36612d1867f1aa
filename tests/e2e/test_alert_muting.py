"""Which alert makes another needless: the shipped configuration in the real Alertmanager."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import PATIENCE

Running = Any
Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool], str], None]

CONFIG = Path(__file__).parents[2] / "provisioning/alertmanager/alertmanager.yml"
PROD = {"job": "sandbox-exporter", "provider": "seacloud", "account": "prod"}
DEV = PROD | {"account": "dev"}
JOB = {"job": "sandbox-exporter"}


@pytest.fixture
def alertmanager(start: Start, find_program: Callable[[str], str], tmp_path: Path) -> Running:
    """Alertmanager with the configuration as it is."""
    command = [
        find_program("prometheus-alertmanager"),
        f"--config.file={CONFIG}",
        f"--storage.path={tmp_path}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    return start(command, 0, "/-/ready")


def tell(alertmanager: Running, *alerts: dict[str, str]) -> None:
    """Hands over alerts, as Prometheus does."""
    url = f"{alertmanager.url}/api/v2/alerts"
    body = [{"labels": labels} for labels in alerts]
    httpx.post(url, json=body, trust_env=False, timeout=PATIENCE).raise_for_status()


def state(alertmanager: Running) -> set[tuple[str, str, str]]:
    """Name, account and state (active or suppressed) of every alert."""
    return {
        (
            alert["labels"]["alertname"].removeprefix("Sandbox"),
            alert["labels"].get("account", ""),
            alert["status"]["state"],
        )
        for alert in alertmanager.get("/api/v2/alerts").json()
    }


def alert(name: str, labels: dict[str, str]) -> dict[str, str]:
    """An alert by the short form of its name."""
    return {"alertname": f"Sandbox{name}", "severity": "ticket", **labels}


@pytest.mark.parametrize(
    ("alerts", "expected"),
    [
        pytest.param(
            [("ExporterDown", JOB), ("ApiRateLimited", PROD), ("BudgetExceeded", DEV)],
            {
                ("ExporterDown", "", "active"),
                ("ApiRateLimited", "prod", "suppressed"),
                ("BudgetExceeded", "dev", "suppressed"),
            },
            id="exporter-down-mutes-all-of-its-job",
        ),
        pytest.param(
            [("ExporterDown", {"job": "other"}), ("BudgetExceeded", PROD)],
            {("ExporterDown", "", "active"), ("BudgetExceeded", "prod", "active")},
            id="exporter-down-leaves-other-exporters-alone",
        ),
        pytest.param(
            [("AccountDown", PROD), ("UsageStale", PROD), ("UsageStale", DEV)],
            {
                ("AccountDown", "prod", "active"),
                ("UsageStale", "prod", "suppressed"),
                ("UsageStale", "dev", "active"),
            },
            id="account-down-mutes-its-staleness",
        ),
        pytest.param(
            [("AccountDown", PROD), ("BudgetExceeded", PROD)],
            {("AccountDown", "prod", "active"), ("BudgetExceeded", "prod", "active")},
            id="account-down-mutes-no-spend-that-is-known",
        ),
        pytest.param(
            [("CredentialsRejected", PROD), ("AccountDown", PROD), ("UsageStale", PROD)],
            {
                ("CredentialsRejected", "prod", "active"),
                ("AccountDown", "prod", "suppressed"),
                ("UsageStale", "prod", "suppressed"),
            },
            id="a-rejected-key-mutes-what-follows",
        ),
        pytest.param(
            [("ApiSchemaChanged", PROD), ("UsageStale", PROD)],
            {("ApiSchemaChanged", "prod", "active"), ("UsageStale", "prod", "suppressed")},
            id="a-changed-api-mutes-what-follows",
        ),
        pytest.param(
            [("BudgetExceeded", PROD), ("BudgetForecastExceeded", PROD)],
            {
                ("BudgetExceeded", "prod", "active"),
                ("BudgetForecastExceeded", "prod", "suppressed"),
            },
            id="an-exceeded-budget-mutes-its-forecast",
        ),
        pytest.param(
            [
                ("TemplateSpendSurge", PROD | {"template_id": "tpl-a"}),
                ("SpendRateHigh", PROD),
                ("RunawaySandboxes", PROD),
            ],
            {
                ("TemplateSpendSurge", "prod", "active"),
                ("SpendRateHigh", "prod", "suppressed"),
                ("RunawaySandboxes", "prod", "active"),
            },
            id="a-surge-mutes-its-account's-rate",
        ),
    ],
)
def test_a_known_cause_mutes_what_follows(
    alerts: list[tuple[str, dict[str, str]]],
    expected: set[tuple[str, str, str]],
    alertmanager: Running,
    eventually: Eventually,
) -> None:
    """Of alerts that fire together, just those are told that tell something of their own."""
    tell(alertmanager, *(alert(name, labels) for name, labels in alerts))
    eventually(lambda: state(alertmanager) == expected, f"{expected}")


def test_alerts_are_grouped_by_account(alertmanager: Running, eventually: Eventually) -> None:
    """Two alerts of one account come as one message, another account's as another."""
    named = [("FreeStorageLow", PROD), ("BillingMismatch", PROD), ("FreeStorageLow", DEV)]
    tell(alertmanager, *(alert(name, labels) for name, labels in named))

    def groups() -> dict[str, int]:
        found = alertmanager.get("/api/v2/alerts/groups").json()
        return {group["labels"]["account"]: len(group["alerts"]) for group in found}

    eventually(lambda: groups() == {"prod": 2, "dev": 1}, "two groups")
