"""When a call may be sent: the vendor's pauses, the slots and the account's own limit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.retry import Pause, backoff
from sandbox_exporter.errors import Reason, UpstreamError


class NotSentError(UpstreamError):
    """A call that was not sent: there is no secret, or its turn comes after the deadline."""


class Gate:
    """Lets calls through one by one. Deadlines are times of `clock`, in monotonic seconds."""

    def __init__(
        self,
        limiter: Limiter,
        concurrency: int,
        longest_pause: float,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        jitter: Callable[[], float],
    ) -> None:
        self._limiter = limiter
        self._slots = asyncio.Semaphore(concurrency)
        self._longest_pause = longest_pause
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._pauses: dict[str, Pause] = {}
        """The last that the vendor asked for, by endpoint."""

    def pause(self, endpoint: str, asked: float) -> Pause:
        """Keeps a pause of `asked` seconds at most, for all calls of the endpoint."""
        kept = min(asked, self._longest_pause)
        pause = Pause(asked, kept, self._clock() + kept)
        before = self._pauses.get(endpoint)
        if before is None or before.until < pause.until:
            self._pauses[endpoint] = pause
        return pause

    @asynccontextmanager
    async def call(self, endpoint: str, deadline: float) -> AsyncIterator[None]:
        """Waits for its turn and takes a slot for as long as a call lasts.

        The vendor may ask for a pause while a call waits for a slot or the limit, so pauses are
        looked at again after that. Raises `NotSentError` when the turn would come too late.
        """
        while True:
            await self._wait_for_pause(endpoint, deadline)
            await self._take_slot(deadline)
            try:
                if not await self._limiter.take(deadline):
                    raise NotSentError(
                        Reason.RATE_LIMITED,
                        "own limit max_requests_per_minute leaves no call before the deadline",
                    )
                if self._pause(endpoint) is None:
                    yield
                    return
            finally:
                self._slots.release()

    def _pause(self, endpoint: str) -> Pause | None:
        """The endpoint's pause, if there is one now."""
        pause = self._pauses.get(endpoint)
        return pause if pause is not None and pause.until > self._clock() else None

    async def _wait_for_pause(self, endpoint: str, deadline: float) -> None:
        while (pause := self._pause(endpoint)) is not None:
            wait = pause.until - self._clock()
            if pause.until >= deadline:
                raise NotSentError(Reason.RATE_LIMITED, str(pause), retry_after=wait)
            # Jitter, or all calls that were held back would come at the same moment.
            await self._sleep(wait + backoff(0, self._jitter))

    async def _take_slot(self, deadline: float) -> None:
        left = deadline - self._clock()
        if left <= 0:
            raise _too_late()
        try:
            async with asyncio.timeout(None if left == math.inf else left):
                await self._slots.acquire()
        except TimeoutError:
            raise _too_late() from None


def _too_late() -> NotSentError:
    return NotSentError(Reason.TIMEOUT, "the deadline passed before the call's turn")
