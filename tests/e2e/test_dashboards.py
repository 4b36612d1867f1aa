"""Every query of every panel, on Prometheus as the compose stack runs it, with history and now."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.grafana import Choice, Span, interpolate, seconds

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DASHBOARDS = [json.loads(path.read_text()) for path in sorted((ROOT / "dashboards").glob("*.json"))]
DAYS = 9
KEYS = {"PROD": "sim-prod-key", "DEV": "sim-dev-key", "RESEARCH": "sim-research-key"}
DRILL = """\
groups:
  - name: drill
    rules:
      - alert: SandboxDrill
        expr: sandbox_up == 1
        labels: {severity: info}
"""

MAY_BE_EMPTY = {
    ("Failed calls by reason", "A"): "no call fails here",
    ("Calls without a good answer", "A"): "no call fails here",
    ("Template calls saved", "A"): "none was saved for a whole minute yet",
    ("Session length", "A"): "the vendor keeps no history, and no session began in these seconds",
    ("Cost by day and template", "B"): "with templates chosen, and where ten explain the account",
    ("Month to date against budget", "A"): "the first hour of a month is left out",
    ("Templates whose cost rises", "A"): "no template may cost more than usual at this hour",
    ("Templates whose cost rises", "B"): "no template may cost more than usual at this hour",
    ("Templates whose cost rises", "C"): "no template may cost more than usual at this hour",
}
"""Queries that may return nothing, and why; docs/dashboards.md says the same."""


class Stack:
    """A Prometheus full of data, and the moment at which it is asked."""

    def __init__(self, get: Callable[..., Any], now: int, templates: list[str]) -> None:
        self._get = get
        self.now = now
        self.templates = templates
        """The account's own, the costliest first."""

    def ask(self, target: dict[str, Any], expr: str, span: Span, step: int) -> list[Any]:
        """What a query answers; the steps of a chart end now."""
        asked: dict[str, object] = {"query": expr}
        if target.get("instant"):
            asked["time"] = span.end
        else:
            points = int((span.end - span.start) // step)
            asked |= {"start": span.end - points * step, "end": span.end, "step": step}
        path = "/api/v1/query" if target.get("instant") else "/api/v1/query_range"
        answer = self._get(path, params=asked).json()
        assert answer["status"] == "success", f"{answer.get('error')}: {expr}"
        result: list[Any] = answer["data"]["result"]
        return result


def _config(origin: str) -> str:
    """The compose stack's accounts, on the simulator of this test."""
    text = (ROOT / "provisioning/compose/simulated.yml").read_text()
    return "poll_interval: 10s\n" + text.replace("http://simulator:9842", origin)


@pytest.fixture
def stack(
    simulator: Any,
    exporter: Callable[..., Any],
    start: Callable[..., Any],
    find_program: Callable[[str], str],
    eventually: Callable[[Callable[[], bool], str], None],
    tmp_path: Path,
) -> Stack:
    """Prometheus with the flags of docker-compose.yml, days of history, and a live exporter."""
    environment = {f"SIMULATED_{name}_KEY": key for name, key in KEYS.items()}
    (tmp_path / "accounts.yml").write_text(_config(simulator.url))
    live = exporter("--config.file", str(tmp_path / "accounts.yml"), environment=environment)
    _write_history(tmp_path, find_program("promtool"), environment)

    settings = tmp_path / "prometheus"
    shutil.copytree(ROOT / "provisioning/prometheus", settings)
    text = (settings / "prometheus.yml").read_text()
    text = text.replace("exporter:9841", live.url.removeprefix("http://"))
    (settings / "prometheus.yml").write_text(re.sub(r": 30s\b", ": 1s", text))
    (settings / "rules" / "drill.yml").write_text(DRILL)
    server = start(_prometheus(find_program("prometheus"), tmp_path), 0, "/-/ready")

    def values(query: str) -> list[Any]:
        answer = server.get("/api/v1/query", params={"query": query}).json()
        found: list[Any] = answer["data"]["result"]
        return found

    eventually(lambda: bool(values("count_over_time(sandbox_up[1m]) > 12")), "two polls are seen")
    eventually(lambda: bool(values('ALERTS{alertstate="firing"}')), "an alert fires")
    ranked = values(
        'sort_desc(max by (template_id) (sandbox_template_month_cost_usd{account="prod"}))'
    )
    # Both of the last two whole minutes see live samples: subqueries look at whole minutes.
    now = (int(time.time()) // 60 + 2) * 60
    return Stack(server.get, now, [series["metric"]["template_id"] for series in ranked])


def _write_history(folder: Path, promtool: str, environment: dict[str, str]) -> None:
    history = [sys.executable, "-m", "sandbox_exporter", "backfill", "--from", f"{DAYS}d"]
    history += ["--config.file", "accounts.yml", "--resolution", "minute", "--output", "history.om"]
    subprocess.run(history, cwd=folder, env=os.environ | environment, check=True)
    blocks = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h"]
    subprocess.run([*blocks, "history.om", "tsdb"], cwd=folder, check=True, capture_output=True)


def _prometheus(program: str, folder: Path) -> list[str]:
    """The compose stack's command, with this machine's folders."""
    flags = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]
    places = {"/etc/prometheus": f"{folder}/prometheus", "=/prometheus": f"={folder}/tsdb"}
    command = " ".join(flags["command"])
    for place, here in places.items():
        command = command.replace(place, here)
    return [program, "--web.listen-address=127.0.0.1:0", *command.split()]


def _span(dashboard: dict[str, Any], panel: dict[str, Any], now: int) -> Span:
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0)
    starts = {"now/d": today, "now/M": today.replace(day=1)}
    own = starts.get(panel.get("timeFrom", ""))
    back = seconds(dashboard["time"]["from"].removeprefix("now-"))
    start = own.timestamp() if own else now - back
    return Span(start, now, panel.get("maxDataPoints", 800))


def _choices(stack: Stack) -> dict[str, Choice]:
    return {
        "All": ".*",
        "one template": stack.templates[:1],
        "two templates": stack.templates[:2],
    }


def test_every_query_returns_data(stack: Stack) -> None:
    """Every panel has something to show, for all templates, for one and for two."""
    empty: set[str] = set()
    asked = 0
    for dashboard in DASHBOARDS:
        for panel in dashboard["panels"]:
            span = _span(dashboard, panel, stack.now)
            for target in panel.get("targets", ()):
                step = span.step(target["interval"].replace("$bucket", "1h"))
                for name, choice in _choices(stack).items():
                    chosen = {"provider": ".*", "account": ".*", "organization": ["research"]}
                    chosen |= {"template": choice}
                    expr = interpolate(target["expr"], span, step, chosen)
                    asked += 1
                    if not stack.ask(target, expr, span, step):
                        empty.add(f"{panel['title']}, {target['refId']} ({name})")
    known = {f"{title}, {ref}" for title, ref in MAY_BE_EMPTY}
    assert {entry for entry in empty if entry.partition(" (")[0] not in known} == set()
    assert asked > 200
