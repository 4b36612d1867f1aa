from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve

WAITING = AccountSnapshot("seacloud", "prod")
TRIED = AccountSnapshot("dreadnode", "research", tried=True)


def test_healthy(serve: Serve, exporter: FakeExporter) -> None:
    """The process is healthy as long as it answers, whatever becomes of its accounts."""
    exporter.snapshot = Snapshot((WAITING,))
    with serve() as server:
        answer = httpx.get(f"{server.url}/-/healthy")
    assert (answer.status_code, answer.text) == (200, "Healthy.\n")
    assert exporter.calls == []


def test_ready(serve: Serve, exporter: FakeExporter) -> None:
    """Ready is when each account was tried once, even in vain; until then it tells who was not."""
    exporter.snapshot = Snapshot((WAITING, TRIED))
    exporter.page = replace(exporter.page, tried=frozenset({"research"}))
    with serve() as server, httpx.Client(base_url=server.url) as client:
        before = client.get("/-/ready")
        exporter.snapshot = Snapshot((TRIED,))
        after = client.get("/-/ready")
    assert (before.status_code, before.text) == (503, "Not ready: not tried yet: prod\n")
    assert (after.status_code, after.text) == (200, "Ready.\n")


def test_ready_is_when_the_page_shows_it(serve: Serve, exporter: FakeExporter) -> None:
    """Who scrapes once it is ready gets every account; without a page the results tell."""
    exporter.snapshot = Snapshot((TRIED,))
    without = replace(exporter.site(), metrics_for="none")
    with serve() as server, serve(without) as pageless:
        before = httpx.get(f"{server.url}/-/ready")
        unscraped = httpx.get(f"{pageless.url}/-/ready")
        exporter.page = replace(exporter.page, tried=frozenset({"research"}))
        after = httpx.get(f"{server.url}/-/ready")
    assert (before.status_code, before.text) == (503, "Not ready: not tried yet: research\n")
    assert (after.status_code, unscraped.status_code) == (200, 200)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload(serve: Serve, exporter: FakeExporter, method: str) -> None:
    """A reload that is allowed takes place before it is answered."""
    with serve(exporter.site(exporter.reload)) as server:
        answer = httpx.request(method, f"{server.url}/-/reload")
    assert (answer.status_code, answer.text) == (200, "Reloaded.\n")
    assert exporter.calls == ["reload"]


def test_refused_reload(serve: Serve, exporter: FakeExporter) -> None:
    """A refused configuration is answered with every mistake in it."""
    exporter.refusal = ConfigError([Problem("accounts[0].name", "is missing"), Problem("x", "no")])
    with serve(exporter.site(exporter.reload)) as server:
        answer = httpx.post(f"{server.url}/-/reload")
    assert answer.status_code == 500
    assert answer.text == (
        "Refused, the old configuration stays:\naccounts[0].name: is missing\nx: no\n"
    )


def test_reload_off(serve: Serve) -> None:
    """Without the lifecycle flag a reload is forbidden, and the answer names the flag."""
    with serve() as server:
        answer = httpx.post(f"{server.url}/-/reload")
    assert answer.status_code == 403
    assert "--web.enable-lifecycle" in answer.text


def test_reload_by_get(serve: Serve, exporter: FakeExporter) -> None:
    """A link or a prefetching browser cannot reload."""
    with serve(exporter.site(exporter.reload)) as server:
        answer = httpx.get(f"{server.url}/-/reload")
    assert answer.status_code == 405
    assert exporter.calls == []


def test_landing_page(serve: Serve) -> None:
    """The start page is HTML that may run nothing and load nothing."""
    with serve() as server:
        answer = httpx.get(f"{server.url}/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sh")
    assert "Sandbox usage exporter" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/metrics/", "/-/healthy/", "//", "/%2e%2e/etc"])
def test_not_found(serve: Serve, path: str) -> None:
    """Any other address is answered with the way to the start page, never with a redirect."""
    with serve() as server:
        answer = httpx.get(server.url + path)
    assert answer.status_code == 404
    assert '<a href="/">' in answer.text


def test_bug(serve: Serve, exporter: FakeExporter) -> None:
    """A bug in one answer is a 500 that tells nothing, and the next answer is fine."""
    exporter.refusal = RuntimeError("internals")
    with serve(exporter.site(exporter.reload)) as server:
        broken = httpx.post(f"{server.url}/-/reload")
        fine = httpx.get(f"{server.url}/-/healthy")
    assert broken.status_code == 500
    assert "internals" not in broken.text
    assert fine.status_code == 200
