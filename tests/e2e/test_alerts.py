"""From the vendor's trouble to the message, through the real Prometheus and Alertmanager.

The rules come from their one source, with shorter times; what is sent where, and what mutes what,
is the Alertmanager configuration that users get.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from alerting.files import generated
from alerting.links import DASHBOARD_BASE, RUNBOOK_BASE
from alerting.thresholds import Thresholds
from tests.e2e import stores
from tests.e2e.conftest import PATIENCE

pytestmark = pytest.mark.slow

Running = Any
Start = Callable[..., Running]
Eventually = Callable[[Callable[[], bool], str], None]

ROOT = Path(__file__).parents[2]
QUICK = Thresholds(
    interval=1,
    template_interval=1,
    month_turn=5,
    budget_hold=5,
    surge_least_usd=1,
    surge_hold=5,
    storage_hold=5,
    account_hold=20,
    refused_window=40,
    refused_hold=5,
)
SHORTER = {
    ":1m]": ":1s]",
    "offset 1m": "offset 1s",
    "[1h]": "[30s]",
    "offset 1h": "offset 30s",
    "offset 3599999ms": "offset 29999ms",
    "[7d:1h] offset 21599999ms": "[10m:5s] offset 40s",
}
"""Half a minute stands for the hour of the rules on spend."""
EXPECTED = {
    ("SandboxBudgetExceeded", "over"): "page",
    ("SandboxTemplateSpendSurge", "busy"): "page",
    ("SandboxFreeStorageLow", "busy"): "ticket",
    ("SandboxCredentialsRejected", "refused"): "ticket",
    ("SandboxAccountDown", "stopped"): "ticket",
    ("SandboxApiSchemaChanged", "changed"): "ticket",
}
"""What each situation must bring: alert and account, and the receiver."""


@dataclass
class Inbox:
    """What the webhooks were told: receiver and alert, in order."""

    url: str
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def told(self, status: str) -> list[tuple[str, str]]:
        """Alert and account of each message with that status."""
        return [
            (alert["labels"]["alertname"], alert["labels"].get("account", ""))
            for _, alert in self.messages
            if alert["status"] == status
        ]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A webhook receiver."""
    box = Inbox("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            message = json.loads(self.rfile.read(length))
            box.messages += [(self.path.strip("/"), alert) for alert in message["alerts"]]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield box
    server.shutdown()
    thread.join()
    server.server_close()


def shorter(rules: str) -> str:
    """Rules with their windows cut.

    The polls stay 10 s apart, so that a window of 30 s holds two of their steps or three, and what
    is smooth over an hour comes and goes: alerts outlast the gaps.
    """
    for usual, short in SHORTER.items():
        rules = rules.replace(usual, short)
    document = yaml.safe_load(rules)
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        if "alert" in rule:
            rule["keep_firing_for"] = "15s"
    return yaml.safe_dump(document)


@dataclass(frozen=True)
class Vendors:
    """Three simulators."""

    calm: Running
    changing: Running
    silent: Running


@pytest.fixture
def vendor(start: Start) -> Callable[..., Running]:
    """Starts a simulator; each has accounts prod, dev, research."""

    def run() -> Running:
        command = [sys.executable, "-m", "sandbox_exporter", "simulate", "--listen", "127.0.0.1:0"]
        return start(command, 0, "/_sim/clock")

    return run


@pytest.fixture
def alertmanager(
    start: Start, find_program: Callable[[str], str], inbox: Inbox, tmp_path: Path
) -> Running:
    """Alertmanager with the routes and inhibitions that users get; each receiver is a webhook."""
    config = yaml.safe_load((ROOT / "provisioning/alertmanager/alertmanager.yml").read_text())
    config["global"] = {}
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    config["receivers"] = [
        {
            "name": receiver["name"],
            "webhook_configs": [{"url": f"{inbox.url}/{receiver['name']}"}],
        }
        for receiver in config["receivers"]
    ]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [
        find_program("prometheus-alertmanager"),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    return start(command, 0, "/-/ready")


@pytest.fixture
def watch(
    start: Start, store: stores.Store, alertmanager: Running, tmp_path: Path
) -> Callable[[Running], None]:
    """Starts a store with the rules, in shorter times, that scrapes an exporter."""

    def run(exporter: Running) -> None:
        rules = tmp_path / "rules"
        rules.mkdir()
        for name, text in generated(QUICK).items():
            if name.startswith("provisioning/prometheus/rules/"):
                (rules / Path(name).name).write_text(shorter(text))
        config = {
            "global": {"scrape_interval": "1s"},
            "rule_files": [str(rules / "*.yml")],
            "scrape_configs": [
                {
                    "job_name": "sandbox-exporter",
                    "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}],
                }
            ],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [alertmanager.url.removeprefix("http://")]}]}
                ]
            },
        }
        (tmp_path / "alerts.yml").write_text(yaml.safe_dump(config))
        server = store.start(start, tmp_path / "alerts.yml")
        store.evaluate(start, server.url, rules, alertmanager.url)

    return run


def configure(path: Path, vendors: Vendors, budget: float) -> None:
    """Five accounts; one has a budget."""

    def account(name: str, vendor: Running, key: str, **more: object) -> dict[str, object]:
        (path.parent / key).write_text(f"sim-{key}-key\n")
        url = f"{vendor.url}/api/v1/sandbox"
        base = {"name": name, "provider": "seacloud", "base_url": url}
        return base | {"api_key": {"file": key}} | more

    refused = account(
        "refused", vendors.calm, "research", provider="dreadnode", organization="acme"
    )
    refused["base_url"] = vendors.calm.url
    document = {
        "poll_interval": "10s",
        "stale_after": "15s",
        "accounts": [
            account("over", vendors.calm, "prod", budget_usd=budget),
            account("busy", vendors.calm, "dev"),
            refused,
            account("changed", vendors.changing, "prod"),
            account("stopped", vendors.silent, "prod"),
        ],
    }
    path.write_text(yaml.safe_dump(document))


def control(vendor: Running, method: str, path: str, body: object = None) -> None:
    """A call of the simulator's test controls."""
    url = f"{vendor.url}/_sim{path}"
    httpx.request(method, url, json=body, trust_env=False, timeout=PATIENCE).raise_for_status()


def well(vendors: Vendors) -> None:
    """Nothing is wrong, and storage is free: at some hours the simulator has next to none left."""
    plenty = {"storage_mib": "2048", "free_storage_mib": "8192"}
    body = {"kind": "status", "route": "storage", "status": 200, "body": plenty}
    for vendor in (vendors.calm, vendors.changing, vendors.silent):
        for account in ("prod", "dev"):
            control(vendor, "PUT", "/faults", {**body, "account": account})
        for route in ("*", "summary"):
            control(vendor, "DELETE", f"/faults?route={route}")


def trouble(vendors: Vendors) -> None:
    """Everything goes wrong at once, each at another account."""
    headers = {"X-API-Key": "sim-dev-key"}
    listing = vendors.calm.get("/api/v1/sandbox/templates", headers=headers).json()
    burst = {"sandboxes": 10_000, "duration": 40}
    template = f"/accounts/dev/templates/{listing[0]['templateID']}"
    control(vendors.calm, "PUT", f"{template}/burst", burst)
    nearly_full = {"storage_mib": "9900", "free_storage_mib": "340"}
    for vendor, fault in (
        (vendors.calm, {"route": "storage", "account": "dev", "status": 200, "body": nearly_full}),
        (vendors.calm, {"account": "research", "status": 401}),
        (vendors.changing, {"kind": "wrong_types", "route": "summary"}),
    ):
        control(vendor, "PUT", "/faults", {"kind": "status", **fault})
    for scope in ({}, {"route": "storage", "account": "prod"}):
        control(vendors.silent, "PUT", "/faults", {"kind": "reset", **scope})


def check_links(alert: dict[str, Any]) -> None:
    """Both links lead to what the repository has."""
    annotations = alert["annotations"]
    page = ROOT / annotations["runbook_url"].removeprefix(f"{RUNBOOK_BASE}/")
    assert page.read_text().startswith(f"# {alert['labels']['alertname']}\n")
    address, _, chosen = annotations["dashboard_url"].partition("?")
    uid = address.removeprefix(f"{DASHBOARD_BASE}/d/")
    assert json.loads((ROOT / f"dashboards/{uid}.json").read_text())["uid"] == uid
    assert f"var-account={alert['labels']['account']}" in chosen


def test_each_trouble_is_told_once_and_resolved_by_itself(
    vendor: Callable[..., Running],
    exporter: Callable[..., Running],
    watch: Callable[[Running], None],
    inbox: Inbox,
    eventually: Eventually,
    tmp_path: Path,
) -> None:
    """Six situations bring six messages to the right receivers, and later six that all is well."""
    vendors = Vendors(vendor(), vendor(), vendor())
    well(vendors)
    config = tmp_path / "config.yml"
    configure(config, vendors, budget=1e6)
    daemon = exporter("--config.file", str(config))
    watch(daemon)
    eventually(lambda: bool(daemon.get("/-/ready").is_success), "every account is polled once")

    trouble(vendors)
    configure(config, vendors, budget=0.01)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: set(inbox.told("firing")) >= set(EXPECTED), "each alert fires")

    well(vendors)
    configure(config, vendors, budget=1e6)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: set(inbox.told("resolved")) >= set(EXPECTED), "each alert ends")

    assert sorted(inbox.told("firing")) == sorted(EXPECTED)
    assert sorted(inbox.told("resolved")) == sorted(EXPECTED)
    for receiver, alert in inbox.messages:
        labels = alert["labels"]
        assert receiver == EXPECTED[labels["alertname"], labels["account"]]
        assert labels["severity"] == receiver
        assert labels["job"] == "sandbox-exporter"
        assert labels["provider"] == ("dreadnode" if labels["account"] == "refused" else "seacloud")
        assert labels["account"] in alert["annotations"]["summary"]
        check_links(alert)
