"""The compose stack, as far as it can be proven without Docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = STACK["services"]
ONE_SHOT = {"history", "blocks"}

Find = Callable[[str], str]


@pytest.mark.parametrize("key", ["", "a-made-up-key"])
def test_compose_finds_no_mistake(find_program: Find, tmp_path: Path, key: str) -> None:
    """`docker-compose config` is clean, without a key and with one."""
    (tmp_path / ".env").write_text(f"SEACLOUD_API_KEY={key}\n")
    command = [find_program("docker-compose"), "--project-directory", str(tmp_path)]
    command += ["-f", str(ROOT / "docker-compose.yml"), "--profile", "otel", "config"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr
    assert yaml.safe_load(checked.stdout)["services"].keys() == SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened(name: str) -> None:
    """Ports are this machine's own, versions are pinned, and nothing may be written but volumes."""
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "build" in service or service["image"].rpartition(":")[2][-1].isdigit()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # The exporter's image brings its own, the collector's has nothing to look with.
    if name not in ONE_SHOT | {"exporter", "otel-collector"}:
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_are_there(name: str) -> None:
    """What is mounted from the repository exists and cannot be written; volumes are declared."""
    for volume in SERVICES[name].get("volumes", ()):
        source, _, rest = volume.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), volume
            assert rest.endswith(":ro"), volume
        else:
            assert source in STACK["volumes"], volume


def test_prometheus_takes_its_configuration(find_program: Find) -> None:
    """No mistake is found in the configuration and the rules."""
    config = ROOT / "provisioning/prometheus/prometheus.yml"
    command = [find_program("promtool"), "check", "config", str(config)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_alertmanager_starts_with_the_stacks_flags(
    find_program: Find, start: Callable[..., Any], tmp_path: Path
) -> None:
    """Alertmanager serves with the mounted configuration."""
    shutil.copytree(ROOT / "provisioning/alertmanager", tmp_path / "config")
    flags = " ".join(SERVICES["alertmanager"]["command"])
    flags = flags.replace("/etc/alertmanager", f"{tmp_path}/config")
    flags = flags.replace("=/alertmanager", f"={tmp_path}/storage")
    command = [find_program("prometheus-alertmanager"), *flags.split()]
    command.append("--web.listen-address=127.0.0.1:0")
    assert start(command, 0, "/-/ready").get("/api/v2/status").is_success


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Runs a script of the stack beside a stand-in for the exporter, which tells its arguments."""
    exporter = tmp_path / "bin" / "sandbox-exporter"
    exporter.parent.mkdir()
    exporter.write_text('#!/bin/sh\necho "exporter $*"\n[ "$1" != backfill ] || exit 1\n')
    exporter.chmod(0o755)
    path = f"{exporter.parent}:{os.environ['PATH']}"

    def run(name: str, *arguments: str, **environment: str) -> str:
        command = [str(ROOT / "provisioning/compose" / name), *arguments]
        done = subprocess.run(
            command,
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout + done.stderr

    return run


def test_key_decides_whose_accounts_are_polled(script: Callable[..., str]) -> None:
    """Without a key the simulator's accounts are taken, with one the user's own."""
    simulated = ROOT / "provisioning/compose/simulated.yml"
    assert script("accounts", "run") == f"exporter run --config.file {simulated}\n"
    assert script("accounts", "run", SEACLOUD_API_KEY="") == script("accounts", "run")
    assert script("accounts", "run", SEACLOUD_API_KEY="key") == "exporter run\n"
    assert script("accounts", "run", DREADNODE_API_KEY="key") == "exporter run\n"


def test_history_becomes_blocks_once(
    script: Callable[..., str], find_program: Find, tmp_path: Path
) -> None:
    """Prometheus finds the history as a block; another start neither asks nor makes it again."""
    find_program("promtool")
    (tmp_path / "history.om").write_text("# TYPE up gauge\nup 1 1740571200\n# EOF\n")
    script("blocks", str(tmp_path), str(tmp_path / "storage"))
    assert len(list((tmp_path / "storage").glob("*/meta.json"))) == 1
    assert not (tmp_path / "history.om").exists()
    assert "already" in script("history", str(tmp_path))
    script("blocks", str(tmp_path), str(tmp_path / "storage"))
    assert len(list((tmp_path / "storage").glob("*/meta.json"))) == 1


def test_vendor_without_history_stops_nobody(script: Callable[..., str], tmp_path: Path) -> None:
    """When backfill fails the stack starts without history, and says so."""
    told = script("history", str(tmp_path), SEACLOUD_API_KEY="key")
    assert "exporter backfill --from 31d" in told
    assert "No history this time" in told
    assert script("blocks", str(tmp_path), str(tmp_path / "storage")) == ""
