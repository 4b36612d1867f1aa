"""Two accounts, polled over real HTTP from canned answers, as one publication."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox_exporter.client import Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.page import Page
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.snapshot import Snapshot
from sandbox_exporter.vendors import build, build_client
from sandbox_exporter.web.server import Server

FIXTURES = Path(__file__).parents[2] / "fixtures" / "exposition"
NOW = 1_794_000_000.25  # 2026-11-06T21:20Z
KEY = SecretRef("env", "GOLDEN_KEY")
ACCOUNTS = (
    Account(
        'pro"d\\ü\n',
        "seacloud",
        "/seacloud",
        KEY,
        {"project_id": "p"},
        max_templates=2,
        budget_usd=250.0,
    ),
    Account("research", "dreadnode", "/dreadnode", KEY, {"organization": "acme"}),
)


def stub(answers: Mapping[str, Any]) -> Starlette:
    """Both vendors, who answer what is in the file and refuse the rest."""

    async def answer(request: Request) -> JSONResponse:
        if request.headers["X-API-Key"] != "made-up-key":
            return JSONResponse({"error": "who is that?"}, 401)
        part = request.query_params.get("template_id") or request.query_params.get("month")
        found = answers.get(request.url.path + (f"?{part}" if part else ""))
        return JSONResponse(found or {"error": "forbidden"}, 200 if found else 403)

    return Starlette(routes=[Route("/{path:path}", answer)])


async def poll(server: Server) -> tuple[Snapshot, Page]:
    """Polls both accounts once, and publishes."""
    metrics = SelfMetrics()
    publisher = Publisher(metrics)
    timing = Timing(wall=lambda: NOW, clock=lambda: 1000.0)
    pollers = []
    for account in ACCOUNTS:
        account = replace(account, base_url=server.url + account.base_url)  # noqa: PLW2901
        observer, limiter = metrics.account(account), Limiter(100)
        client = build_client(account, limiter, observer)
        pollers.append(
            AccountPoller(
                account,
                Upstream(build(account, client), client, limiter),
                Ledger(timing.close),
                timing,
                observer,
                partial(publisher.served, account.name),
            )
        )
    for poller in pollers:
        await poller.poll()
        await poller.client.aclose()
    publisher.restart(poller.snapshot() for poller in pollers)
    await publisher.render()
    return publisher.snapshot, publisher.page


@pytest.fixture(scope="session")
def published() -> tuple[Snapshot, Page]:
    """What one poll of the canned answers publishes."""
    answers = json.loads((FIXTURES / "upstream.json").read_text())

    async def run() -> tuple[Snapshot, Page]:
        server = Server(stub(answers))
        await server.start("127.0.0.1:0")
        try:
            return await poll(server)
        finally:
            await server.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOLDEN_KEY", "made-up-key")
        return asyncio.run(run())


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder of the canned answers and the golden files."""
    return FIXTURES
