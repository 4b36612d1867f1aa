from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from sandbox_exporter.web.app import build_app

if TYPE_CHECKING:
    from sandbox_exporter.web.site import MetricsFor
    from tests.unit.web.conftest import FakeExporter, Serve


def status(exporter: FakeExporter, metrics_for: MetricsFor, client: str) -> int:
    """The status of a scrape from an address."""
    app = build_app(replace(exporter.site(), metrics_for=metrics_for))

    async def ask() -> int:
        transport = httpx.ASGITransport(app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://any") as asking:
            return (await asking.get("/metrics")).status_code

    return anyio.run(ask)


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_loopback_may_scrape(exporter: FakeExporter, client: str) -> None:
    """An agent on the same machine reads what the network may not."""
    assert status(exporter, "loopback", client) == 200


@pytest.mark.parametrize(
    "client", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "fe80::1%eth0", "0.0.0.0"]
)
def test_others_may_not(exporter: FakeExporter, client: str) -> None:
    """What is only for this machine stays on it."""
    assert status(exporter, "loopback", client) == 403
    assert status(exporter, "all", client) == 200


def test_metrics_that_are_off_are_not_there(exporter: FakeExporter, serve: Serve) -> None:
    """Nobody is sent to a page that is not served; health pages stay."""
    with serve(replace(exporter.site(), metrics_for="none")) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404
        assert httpx.get(f"{server.url}/-/healthy").status_code == 200
        assert "/metrics" not in httpx.get(f"{server.url}/").text
