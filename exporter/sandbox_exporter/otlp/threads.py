"""Blocking work beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """What `work` returns or raises, from a thread that the end of the program does not wait for.

    Executors would wait for theirs, however long they hang.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T may be None itself

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001 - it is raised where the future is awaited
            error = caught
        with suppress(RuntimeError):  # the event loop ended before the work did
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="otlp", daemon=True).start()
    return future
