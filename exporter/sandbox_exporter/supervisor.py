"""Tasks that never die silently, take no other along, and end when they are told to. A leaf."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from sandbox_exporter.errors import AnswerError, UpstreamError

INTERNAL_ERROR = "internal error, see the log"
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between two starts of a task that ends by faults: the pause doubles up to this."""
PATIENCE = 5.0
"""Seconds that a cancelled task has to end before it is told again."""

log = logging.getLogger("sandbox_exporter")
T = TypeVar("T")


def heed_cancellation() -> None:
    """Raises `CancelledError` when the current task was told to end.

    Whoever catches an exception and goes on calls this first: a fault in the clean-up of a
    cancelled call takes the place of its `CancelledError`, and the task would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class FaultLog:
    """Logs faults of the exporter's own with their traceback, once for as long as each lasts.

    `mask` hides secrets, which a library's exception may quote; `fields` are those of each line.
    """

    def __init__(self, mask: Callable[[str], str] = str, **fields: str) -> None:
        self._mask = mask
        self._fields = fields
        self._lasting: dict[str, str] = {}

    def note(self, where: str, fault: BaseException) -> None:
        """Logs the fault unless it is the one that was last noted there."""
        text = self._mask("".join(traceback.format_exception(fault)))
        if self._lasting.get(where) != text:
            self._lasting[where] = text
            log.error("internal error", extra={**self._fields, "where": where, "traceback": text})

    def over(self, where: str) -> None:
        """Notes that all went well there, so that the next fault is told again."""
        self._lasting.pop(where, None)

    async def contain(self, where: str, call: Awaitable[T]) -> T:
        """What the call gives; raises `UpstreamError` only, an `AnswerError` for any fault."""
        try:
            result = await call
        except UpstreamError:
            raise
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - it is noted
            heed_cancellation()
            self.note(where, fault)
            raise AnswerError(INTERNAL_ERROR) from None
        self.over(where)
        return result

    async def supervise(
        self, name: str, work: Callable[[], Awaitable[None]], *, attempts: int = 0
    ) -> None:
        """Runs what should never end until it is cancelled: whatever else ends it starts it again.

        With `attempts`, the last of so many faults in a row is raised instead.
        """
        pause, failed = FIRST_PAUSE, 0
        while True:
            began = time.monotonic()
            try:
                await work()
                raise RuntimeError(f"{name} ended by itself")
            except (Exception, asyncio.CancelledError) as fault:
                heed_cancellation()
                if time.monotonic() - began >= LONGEST_PAUSE:
                    pause, failed = FIRST_PAUSE, 0
                    self.over(name)
                self.note(name, fault)
                failed += 1
                if failed == attempts:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits until they have ended; one that will not is left, and logged."""
    running = set(tasks)
    for _ in range(3):
        for task in running:
            task.cancel()
        if running:
            _, running = await asyncio.wait(running, timeout=PATIENCE)
    for task in running:
        log.critical("a task does not end", extra={"task": task.get_name()})
