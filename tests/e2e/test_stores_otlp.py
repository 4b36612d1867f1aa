"""Metrics pushed over OTLP straight into a store; only where `scripts/stores` built such stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import stores
from tests.e2e.test_otlp_queries import dashboard_queries, history_of_both
from tests.e2e.test_stores import values

Running = Any
RECEIVERS = {
    "prometheus-3": ("--web.enable-otlp-receiver", "/api/v1/otlp/v1/metrics"),
    "victoriametrics": ("-opentelemetry.usePrometheusNaming", "/opentelemetry/v1/metrics"),
}
"""By store that takes OTLP itself: the flag that it needs, and where it listens."""


@pytest.mark.parametrize("name", RECEIVERS)
def test_dashboards_show_the_same_over_otlp_into_the_store(
    name: str,
    start: Callable[..., Running],
    find_program: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """What is pushed to a store without a collector answers as what Debian's Prometheus scraped."""
    history = asyncio.run(history_of_both())
    path = tmp_path / "history.om"
    path.write_text("\n".join([*history.scraped, "# EOF", ""]))
    (tmp_path / "empty.yml").touch()
    reference = stores.store(stores.DEBIAN, find_program, tmp_path)
    reference.write(path)
    debian = reference.start(start, tmp_path / "empty.yml")
    flag, receiver = RECEIVERS[name]
    server = stores.store(name, find_program, tmp_path, (flag,)).start(
        start, tmp_path / "empty.yml"
    )
    kind = {"Content-Type": "application/x-protobuf"}
    with httpx.Client(base_url=server.url, headers=kind, timeout=60, trust_env=False) as client:
        for request in history.wire:
            client.post(receiver, content=request).raise_for_status()
        client.get("/internal/force_flush")
    compared = 0
    for panel, asked in dashboard_queries():
        if "process_" in str(asked["query"]):
            continue
        expected, found = values(debian, asked), values(server, asked)
        assert found.keys() == expected.keys(), panel
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9), panel
        compared += bool(expected)
    assert compared > 50
