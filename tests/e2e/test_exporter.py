"""The real process against the simulator over sockets, scraped by the real Prometheus."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox_exporter.ledger.month import Month
from tests.e2e.conftest import PATIENCE

Running = Any
Eventually = Callable[[Callable[[], bool], str], None]
Exporter = Callable[..., Running]

pytestmark = pytest.mark.slow

HOUR = 3600
GIB = 2**30
GB = 10**9
ACCOUNTS = (("seacloud", "prod"), ("seacloud", "dev"), ("dreadnode", "research"))


def environment(simulator: Running) -> dict[str, str]:
    """The variables that the simulator prints for whoever wants to poll it."""
    lines = simulator.log.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def three_accounts(simulator: Running, tmp_path: Path) -> str:
    """A configuration of all accounts that the simulator has; returns its path."""
    path = tmp_path / "config.yml"
    (tmp_path / "dev-key").write_text("sim-dev-key\n")
    path.write_text(
        "poll_interval: 10s\n"
        "accounts:\n"
        "  - {name: prod, provider: seacloud, api_key: {env: SEACLOUD_API_KEY},"
        f" base_url: {simulator.url}/api/v1/sandbox, budget_usd: 250}}\n"
        "  - {name: dev, provider: seacloud, api_key: {file: dev-key},"
        f" base_url: {simulator.url}/api/v1/sandbox}}\n"
        "  - {name: research, provider: dreadnode, api_key: {env: DREADNODE_API_KEY},"
        f" base_url: {simulator.url}, organization: acme}}\n"
    )
    return str(path)


def control(simulator: Running, method: str, path: str, body: object = None) -> Any:
    """A call of the simulator's test controls."""
    answer = httpx.request(
        method, f"{simulator.url}/_sim{path}", json=body, trust_env=False, timeout=PATIENCE
    )
    answer.raise_for_status()
    return answer.json()


def ready(exporter: Running) -> Callable[[], bool]:
    """Whether each account was tried once."""
    return lambda: bool(exporter.get("/-/ready").is_success)


def query(prometheus: Running, promql: str) -> dict[str, float]:
    """An instant query: value by template id, or by account where there is none."""
    answer = prometheus.get("/api/v1/query", params={"query": promql}).json()
    assert answer["status"] == "success", answer
    return {
        sample["metric"].get("template_id") or sample["metric"].get("account", ""): float(
            sample["value"][1]
        )
        for sample in answer["data"]["result"]
    }


@pytest.fixture
def frozen(simulator: Running) -> dict[str, Any]:
    """Stops the simulated clock, and tells the exact ledger of the month until then."""
    now = int(control(simulator, "GET", "/clock")["now"]) - 1
    control(simulator, "PUT", "/clock", {"now": now, "speed": 0})
    window = f"start={Month.at(now).start}&end={now}&at={now}"
    ledger: dict[str, Any] = control(simulator, "GET", f"/ledger?account=prod&{window}")
    return ledger


def test_prometheus_sees_the_vendors_ledger(
    simulator: Running,
    exporter: Exporter,
    prometheus: Callable[[str], Running],
    eventually: Eventually,
    frozen: dict[str, Any],
) -> None:
    """With nothing but environment variables, every total in Prometheus is the exact one."""
    exported = exporter(environment=environment(simulator))
    eventually(well(exported), "all is well")
    scraper = prometheus(exported.url)
    eventually(lambda: bool(query(scraper, "sandbox_up")), "the first scrape")
    for metric, key, unit in (
        ("vcpu_seconds", "vcpu_hours", HOUR),
        ("memory_byte_seconds", "ram_gb_hours", GIB * HOUR),
        ("data_transfer_bytes", "data_transfer_gb", GB),
        ("cost_usd", "usage_costs_usd", 1),
    ):
        for account in (f"{metric}_total", f"month_{metric}"):
            seen = query(scraper, f'sandbox_account_{account}{{account="seacloud"}}')
            exact = frozen["account"][key] * unit
            assert seen["seacloud"] == pytest.approx(exact, rel=1e-12), metric
        seen = query(scraper, f"sandbox_template_{metric}_total")
        exact_templates = {
            name: usage[key] * unit for name, usage in frozen["templates"].items() if usage[key]
        }
        busy = {name: value for name, value in seen.items() if value}
        assert busy == pytest.approx(exact_templates, rel=1e-12), metric
    running = query(scraper, 'sandbox_account_running_sandboxes{account="seacloud"}')
    assert running["seacloud"] == frozen["account"]["running_sandboxes"]
    lifetime = query(scraper, "sandbox_account_runtime_seconds_total")
    assert lifetime["dreadnode"] > 0


def test_scrapes_cause_no_upstream_call(
    simulator: Running, exporter: Exporter, eventually: Eventually, tmp_path: Path
) -> None:
    """1,000 scrapes in both formats leave the vendor alone."""
    config = tmp_path / "config.yml"
    config.write_text(
        "accounts:\n  - {name: a, provider: seacloud, api_key: {env: SEACLOUD_API_KEY},"
        f" base_url: {simulator.url}/api/v1/sandbox, poll_interval: 1h}}\n"
    )
    exported = exporter("--config.file", str(config), environment=environment(simulator))
    eventually(ready(exported), "the first poll")
    before = control(simulator, "GET", "/requests")["count"]
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        for number in range(1000):
            accept = "application/openmetrics-text" if number % 2 else "text/plain"
            assert client.get(f"{exported.url}/metrics", headers={"Accept": accept}).is_success
    assert before > 0
    assert control(simulator, "GET", "/requests")["count"] == before


def failing(exported: Running) -> set[str]:
    """The health series that are 0."""
    health = {s: v for s, v in exported.metrics().items() if s.startswith("sandbox_")}
    return {s for s, v in health.items() if v == 0 and ("_up{" in s)}


def well(exported: Running) -> Callable[[], bool]:
    """Whether all were polled and answer: on a busy machine a call of the first may time out."""
    return lambda: ready(exported)() and failing(exported) == set()


def endpoint_up(provider: str, account: str, endpoint: str) -> str:
    """The series that tells how an endpoint fares."""
    labels = f'provider="{provider}",account="{account}",endpoint="{endpoint}"'
    return f"sandbox_endpoint_up{{{labels}}}"


def up(provider: str, account: str) -> str:
    """The series that tells how an account fares."""
    return f'sandbox_up{{provider="{provider}",account="{account}"}}'


def test_garbage_on_one_endpoint_shows_there_and_nowhere_else(
    simulator: Running, exporter: Exporter, eventually: Eventually, three_accounts: str
) -> None:
    """A wrong answer fails its endpoint; all other numbers of the account go on."""
    exported = exporter("--config.file", three_accounts, environment=environment(simulator))
    eventually(well(exported), "all is well")
    fault = {"kind": "garbage", "route": "costs", "account": "prod"}
    control(simulator, "PUT", "/faults", fault)
    expected = {endpoint_up("seacloud", "prod", "costs")}
    eventually(lambda: failing(exported) == expected, "the failure")
    cost = 'sandbox_account_cost_usd_total{provider="seacloud",account="prod"}'
    labels = '{account="prod",endpoint="costs",provider="seacloud",reason="schema"}'
    counted = f"sandbox_exporter_api_errors_total{labels}"
    # Counts of calls are on the page by the next publication, like everything else there.
    eventually(lambda: exported.metrics().get(counted, 0) > 0, "the error is counted")
    served = exported.metrics()
    assert cost in served
    errors = {s for s, v in served.items() if v and "_api_errors_total{" in s and '"schema"' in s}
    assert errors == {counted}
    control(simulator, "DELETE", "/faults")
    eventually(well(exported), "the recovery")


def test_a_rejected_key_shows_on_its_account_and_a_new_one_heals_it(
    simulator: Running,
    exporter: Exporter,
    eventually: Eventually,
    three_accounts: str,
    tmp_path: Path,
) -> None:
    """401 fails one account; when its secret file is rotated, it goes on without a reload."""
    exported = exporter("--config.file", three_accounts, environment=environment(simulator))
    eventually(well(exported), "all is well")
    control(simulator, "PUT", "/faults", {"kind": "status", "status": 401, "account": "dev"})

    def only_dev_fails() -> bool:
        found = failing(exported)
        return up("seacloud", "dev") in found and all('account="dev"' in s for s in found)

    eventually(only_dev_fails, "the failure")
    (tmp_path / "dev-key").write_text("sim-prod-key\n")
    eventually(well(exported), "the recovery with the new key")
    assert "sim-dev-key" not in exported.log.read_text()


def test_a_dead_upstream_shows_everywhere_and_heals(
    simulator: Running, exporter: Exporter, eventually: Eventually, three_accounts: str
) -> None:
    """With every connection reset all accounts are down, their last numbers stay for a while."""
    exported = exporter("--config.file", three_accounts, environment=environment(simulator))
    eventually(well(exported), "all is well")
    control(simulator, "PUT", "/faults", {"kind": "reset"})
    eventually(
        lambda: {up(*account) for account in ACCOUNTS} <= failing(exported), "all accounts down"
    )
    cost = 'sandbox_account_cost_usd_total{provider="seacloud",account="prod"}'
    assert cost in exported.metrics()
    control(simulator, "DELETE", "/faults")
    eventually(well(exported), "the recovery")


def test_what_is_served_passes_promtool(
    simulator: Running,
    exporter: Exporter,
    eventually: Eventually,
    three_accounts: str,
    find_program: Callable[[str], str],
) -> None:
    """`promtool check metrics` has nothing to say."""
    exported = exporter("--config.file", three_accounts, environment=environment(simulator))
    eventually(ready(exported), "the first polls")
    text = exported.get("/metrics").text
    checked = subprocess.run(
        [find_program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_signals_reload_and_end(
    simulator: Running, exporter: Exporter, eventually: Eventually, three_accounts: str
) -> None:
    """SIGHUP takes a new configuration or keeps the old one; SIGTERM ends with status 0."""
    exported = exporter("--config.file", three_accounts, environment=environment(simulator))
    eventually(ready(exported), "the first polls")
    config = Path(three_accounts)
    text = config.read_text()
    config.write_text(text.replace("budget_usd: 250", "budget_usd: -1"))
    exported.process.send_signal(signal.SIGHUP)
    reloaded = "sandbox_exporter_config_last_reload_successful"
    eventually(lambda: "reload refused" in exported.log.read_text(), "the refusal")
    budget = 'sandbox_account_budget_usd{provider="seacloud",account="prod"}'
    eventually(lambda: exported.metrics()[reloaded] == 0, "the refusal as a metric")
    assert exported.metrics()[budget] == 250
    config.write_text(text.replace("budget_usd: 250", "budget_usd: 300"))
    exported.process.send_signal(signal.SIGHUP)
    eventually(lambda: exported.metrics().get(budget) == 300, "the new budget")
    assert exported.metrics()[reloaded] == 1
    exported.process.terminate()
    assert exported.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("command", ["run", "check", "once"])
def test_mistakes_end_the_start_with_every_one_named(command: str, tmp_path: Path) -> None:
    """A wrong configuration is told line by line, with status 1, before anything listens."""
    config = tmp_path / "config.yml"
    config.write_text("accounts:\n  - {name: a, provider: seacloud, poll_interval: 1s}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox_exporter", command, "--config.file", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
    places = [line.rsplit(": ", 2)[0].split(": ")[:2] for line in ended.stderr.splitlines()]
    line = f"{config}:2"
    assert sorted(places) == [[line, "accounts[0].api_key"], [line, "accounts[0].poll_interval"]]
    assert ended.stdout == ""


def test_a_port_in_use_is_one_clear_line(simulator: Running) -> None:
    """Who else listens on the address is the user's to find; which address is told."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "sandbox_exporter", "run", "--web.listen-address", address],
            env={**os.environ, **environment(simulator)},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    assert ended.returncode == 1
    assert ended.stderr == f"sandbox-exporter: cannot listen on {address}: Address already in use\n"
