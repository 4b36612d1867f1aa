"""A vendor in a thread, a configuration of it, and the program's own logging undone."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox_exporter.web.server import Server

KEY = "made-up-key"


@dataclass
class Vendor:
    """A vendor with one template, as it answers and was asked."""

    url: str = ""
    status: int = 200
    keys: list[str] = field(default_factory=list)
    """The key of each request."""

    async def answer(self, request: Request) -> JSONResponse:
        """Answers a route of SeaCloud's, or refuses."""
        self.keys.append(request.headers["X-API-Key"])
        if self.status != 200:
            return JSONResponse({"error": f"refused {KEY}"}, self.status)
        if request.url.path.endswith("/templates"):
            return JSONResponse([{"templateID": "tpl-1"}])
        if request.url.path.endswith("/summary"):
            return JSONResponse({"usage_costs_usd": 5})
        return JSONResponse({"error": "not found"}, 404)


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("sandbox_exporter")
    before = (root.handlers[:], root.level, package.level)
    yield
    root.handlers[:], level, package_level = before
    root.setLevel(level)
    package.setLevel(package_level)
    gc.unfreeze()


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A vendor on a free port."""
    monkeypatch.setenv("VENDOR_KEY", KEY)
    vendor = Vendor()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Server(Starlette(routes=[Route("/{path:path}", vendor.answer)]))
    asyncio.run_coroutine_threadsafe(server.start("127.0.0.1:0"), loop).result(120)
    vendor.url = server.url
    yield vendor
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(120)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def config_file(vendor: Vendor, tmp_path: Path) -> Path:
    """A configuration of one account at the vendor."""
    path = tmp_path / "config.yml"
    path.write_text(
        f"""\
accounts:
  - name: prod
    provider: seacloud
    base_url: {vendor.url}
    api_key: {{env: VENDOR_KEY}}
"""
    )
    return path
