from __future__ import annotations

import asyncio
import threading

import pytest

from sandbox_exporter.otlp.threads import in_thread

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the exporter runs on."""
    return "asyncio"


async def test_it_returns_and_raises_what_the_work_does() -> None:
    """Work on a thread reads like a call."""
    assert await in_thread(lambda: 3) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(lambda: int("x"))


async def test_work_that_nobody_waits_for_any_more_ends_in_silence() -> None:
    """A caller that gave up leaves nothing behind."""
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(120)

    future = in_thread(work)
    await asyncio.to_thread(begun.wait)
    future.cancel()
    go_on.set()
    await in_thread(lambda: None)

    assert future.cancelled()


def test_work_may_outlive_the_event_loop() -> None:
    """The end of the program waits for no thread that hangs."""
    go_on = threading.Event()

    async def start() -> None:
        in_thread(lambda: go_on.wait(120))

    asyncio.run(start())
    [thread] = [thread for thread in threading.enumerate() if thread.name == "otlp"]
    assert thread.daemon
    go_on.set()
    thread.join(120)
    assert not thread.is_alive()
