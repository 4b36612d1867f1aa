"""Time that passes only when nothing else is to be done."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from sandbox_exporter.config.model import Config
from sandbox_exporter.daemon import Daemon
from sandbox_exporter.web.server import Server
from tests.unit.daemons import Running, Start, Vendor

_ROOT = Path(__file__).parents[2]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(
                self, timeout: float | None = None
            ) -> list[tuple[selectors.SelectorKey, int]]:
                if timeout is not None and timeout > 0:
                    # Like a real selector, never early by a rounding error.
                    loop.now = math.nextafter(loop.now + timeout, math.inf)
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


InVirtualTime = Callable[[Callable[[VirtualLoop], Coroutine[Any, Any, None]]], None]


@pytest.fixture(scope="session")
def in_virtual_time() -> InVirtualTime:
    """Runs a coroutine in an event loop whose waits take no time."""

    def run(test: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
        loop = VirtualLoop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(test(loop))

    return run


@pytest.fixture
async def vendor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Vendor]:
    """A vendor that knows every key."""
    monkeypatch.setenv("KEY", "made-up-key")
    vendor = Vendor()
    server = Server(Starlette(routes=[Route("/{path:path}", vendor.answer)]))
    await server.start("127.0.0.1:0")
    vendor.url = server.url
    yield vendor
    await server.stop()


@pytest.fixture
async def start(vendor: Vendor) -> AsyncIterator[Start]:
    """Starts daemons, and stops them after the test."""
    started: list[Daemon] = []

    async def start(config: Config) -> Running:
        running = Running(config)
        started.append(running.daemon)
        await running.daemon.start()
        return running

    yield start
    for daemon in started:
        await daemon.stop()


@pytest.fixture
def metrics_doc() -> ModuleType:
    """The script that writes docs/metrics.md."""
    spec = importlib.util.spec_from_file_location("metrics_doc", _ROOT / "scripts/metrics_doc.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
