"""The generated files, and the configuration of Alertmanager, as the real tools see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from alerting.files import generated
from alerting.ranges import ESTIMATED
from alerting.thresholds import Thresholds

FILES = generated(Thresholds())
RULE_FILES = [name for name in FILES if name.startswith("provisioning/prometheus/rules/")]


@pytest.mark.parametrize("name", sorted(FILES))
def test_files_are_what_the_source_makes(name: str, root: Path) -> None:
    """A file that was changed by hand, or is behind the source, is found (`make docs`)."""
    assert (root / name).read_text(encoding="utf-8") == FILES[name]


@pytest.mark.parametrize("name", sorted(RULE_FILES))
def test_prometheus_accepts_the_rules(name: str, root: Path, promtool: Callable[..., str]) -> None:
    """`promtool check rules` finds no fault, lint included."""
    assert "SUCCESS" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(root / name))


def test_no_rule_asks_for_what_stores_estimate() -> None:
    """What counters grew by is asked for in the form of alerting/ranges.py."""
    for name in RULE_FILES:
        assert not ESTIMATED.search(FILES[name]), name


def test_the_operator_gets_the_same_rules(
    root: Path, tmp_path: Path, promtool: Callable[..., str]
) -> None:
    """A PrometheusRule holds every group of the rule files, in a form that Prometheus accepts."""
    resource = yaml.safe_load(
        (root / "provisioning/prometheus-operator/prometheusrule.yaml").read_text()
    )
    groups = [
        group
        for name in ("recording", "spend", "data")
        for group in yaml.safe_load(FILES[f"provisioning/prometheus/rules/{name}.yml"])["groups"]
    ]
    assert (resource["apiVersion"], resource["kind"]) == (
        "monitoring.coreos.com/v1",
        "PrometheusRule",
    )
    assert resource["spec"] == {"groups": groups}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(resource["spec"]))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_alertmanager_accepts_its_configuration(
    root: Path, find_program: Callable[[str], str]
) -> None:
    """`amtool check-config` finds no fault."""
    command = [find_program("amtool"), "check-config"]
    path = root / "provisioning/alertmanager/alertmanager.yml"
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_stands_in_the_configuration_of_alertmanager(root: Path) -> None:
    """Keys, passwords and secret addresses come from files."""
    text = (root / "provisioning/alertmanager/alertmanager.yml").read_text()
    keys = {line.split(":")[0].strip(" -") for line in text.splitlines() if ":" in line}
    secret = {"slack_api_url", "api_url", "routing_key", "service_key", "smtp_auth_password"}
    assert not keys & secret
    assert {"slack_api_url_file", "routing_key_file", "smtp_auth_password_file"} <= keys
    assert "credentials_file" in keys


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("severity=page", "page"),
        ("severity=ticket", "ticket"),
        ("severity=info", "info"),
        ("severity=unheard-of", "ticket"),
    ],
)
def test_each_severity_has_its_receiver(
    labels: str, receiver: str, root: Path, find_program: Callable[[str], str]
) -> None:
    """Alertmanager's own routing sends an alert where its severity belongs."""
    path = root / "provisioning/alertmanager/alertmanager.yml"
    command = [find_program("amtool"), "config", "routes", "test", f"--config.file={path}"]
    routed = subprocess.run([*command, labels], capture_output=True, text=True, check=False)
    assert routed.stdout.strip() == receiver


def test_grafana_has_every_alert_and_tells_nobody() -> None:
    """The Grafana-managed rules have the same conditions as Prometheus', and are paused."""
    document = yaml.safe_load(FILES["provisioning/grafana/alerting/rules.yaml"])
    managed = {rule["title"]: rule for group in document["groups"] for rule in group["rules"]}
    alerts = {
        rule["alert"]: rule
        for name in ("spend", "data")
        for group in yaml.safe_load(FILES[f"provisioning/prometheus/rules/{name}.yml"])["groups"]
        for rule in group["rules"]
    }
    assert managed.keys() == alerts.keys()
    for name, rule in managed.items():
        queries = {query["refId"]: query for query in rule["data"]}
        assert queries["A"]["model"]["expr"] == alerts[name]["expr"]
        assert rule["for"] == alerts[name]["for"]
        assert rule["labels"] == alerts[name]["labels"]
        assert rule["condition"] in queries
        assert rule["isPaused"] is True
        assert len(rule["uid"]) <= 40


def test_grafana_finds_each_number_of_its_texts() -> None:
    """Every `$values` in an annotation is a query of the same rule."""
    document = yaml.safe_load(FILES["provisioning/grafana/alerting/rules.yaml"])
    for rule in (rule for group in document["groups"] for rule in group["rules"]):
        parts = " ".join(rule["annotations"].values()).split("$values.")[1:]
        references = {part.split(".")[0] for part in parts}
        queries = {query["refId"]: query["model"].get("expr", "") for query in rule["data"]}
        assert references <= queries.keys()
        for part in parts:
            if ".Labels.template_id" in part.split("}}")[0]:
                assert "topk by" in queries[part.split(".")[0]]
        # Provisioning would replace a dollar anywhere else by a variable of the environment.
        assert "$" not in str({key: rule[key] for key in rule if key != "annotations"})


def test_templates_of_grafana_have_a_contact_point_for_each_severity(root: Path) -> None:
    """The policies name contact points that are there, and no secret stands in either file."""
    folder = root / "provisioning/grafana/alerting"
    text = (folder / "contact-points.yaml.example").read_text()
    points = {point["name"] for point in yaml.safe_load(text)["contactPoints"]}
    policy = yaml.safe_load((folder / "policies.yaml.example").read_text())["policies"][0]
    used = {policy["receiver"], *(route["receiver"] for route in policy["routes"])}
    assert used == points == {"sandbox-page", "sandbox-ticket", "sandbox-info"}
    for key in ("integrationKey", "url: $", "authorization_credentials"):
        assert key in text
    assert text.count("$__file{/run/secrets/") == 3
