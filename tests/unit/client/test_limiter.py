from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.client.limiter import PERIOD, Limiter


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


def in_virtual_time(
    per_minute: int, test: Callable[[Limiter, VirtualLoop], Coroutine[None, None, None]]
) -> None:
    """Runs a test in an event loop whose waits take no time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(test(Limiter(per_minute, clock=loop.time), loop))


@given(
    per_minute=st.integers(1, 4),
    callers=st.lists(
        st.tuples(
            st.floats(0, 200, allow_subnormal=False),  # when it asks
            st.none() | st.floats(0, 100, allow_subnormal=False),  # how long it waits at most
            st.none() | st.floats(0, 100, allow_subnormal=False),  # when it is cancelled
        ),
        max_size=20,
    ),
)
def test_no_minute_sees_more_calls_than_allowed(
    per_minute: int, callers: Sequence[tuple[float, float | None, float | None]]
) -> None:
    """However calls come, wait, give up and are cancelled, no 60 seconds hold more than N."""
    taken: list[float] = []

    async def caller(
        limiter: Limiter, loop: VirtualLoop, asks: float, patience: float | None
    ) -> None:
        await asyncio.sleep(asks)
        deadline = math.inf if patience is None else loop.time() + patience
        if await limiter.take(deadline):
            assert loop.time() <= deadline + 1e-6
            taken.append(loop.time())

    async def all_callers(limiter: Limiter, loop: VirtualLoop) -> None:
        tasks = []
        for asks, patience, cancelled in callers:
            task = asyncio.create_task(caller(limiter, loop, asks, patience))
            if cancelled is not None:
                loop.call_later(asks + cancelled, task.cancel)
            tasks.append(task)
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(per_minute, all_callers)
    for first, after in zip(taken, taken[per_minute:], strict=False):
        assert after - first >= PERIOD - 1e-6


def test_tokens_are_free_until_taken_and_come_back_after_a_minute() -> None:
    """`wait` tells when more than so many can be taken: each is back a period after it was."""

    async def test(limiter: Limiter, loop: VirtualLoop) -> None:
        def waits() -> list[float]:
            return [round(limiter.wait(keep), 6) for keep in (0, 1)]

        assert waits() == [0.0, 0.0]
        await limiter.take()
        await asyncio.sleep(20)
        await limiter.take()
        assert waits() == [PERIOD - 20, PERIOD]
        await asyncio.sleep(PERIOD - 20)
        assert waits() == [0.0, 20.0]
        await asyncio.sleep(20)
        assert waits() == [0.0, 0.0]

    in_virtual_time(2, test)


def test_callers_are_served_in_the_order_in_which_they_asked() -> None:
    """A caller that waits comes before those that asked later."""
    served: list[int] = []

    async def test(limiter: Limiter, loop: VirtualLoop) -> None:
        async def caller(number: int) -> None:
            await limiter.take()
            served.append(number)

        await asyncio.gather(*(caller(number) for number in range(7)))
        assert loop.time() == pytest.approx(3 * PERIOD)

    in_virtual_time(2, test)
    assert served == list(range(7))


def test_a_caller_is_refused_at_once_when_no_token_comes_back_in_time() -> None:
    """Nobody waits for a deadline that is known to be missed, and a refusal takes no token."""

    async def test(limiter: Limiter, loop: VirtualLoop) -> None:
        assert await limiter.take()
        assert not await limiter.take(59)
        assert loop.time() == 0
        assert await limiter.take(PERIOD + 0.5)
        assert loop.time() == pytest.approx(PERIOD)

    in_virtual_time(1, test)


def test_a_cancelled_caller_gives_its_token_to_the_next() -> None:
    """Who stops waiting has taken nothing."""

    async def test(limiter: Limiter, loop: VirtualLoop) -> None:
        await limiter.take()
        waiting = asyncio.create_task(limiter.take())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert await limiter.take(61)

    in_virtual_time(1, test)


def test_a_caller_whose_token_came_back_long_ago_can_be_cancelled() -> None:
    """A sleep that takes hours too long ends by its cancellation, and by no fault instead of it."""

    async def test(limiter: Limiter, loop: VirtualLoop) -> None:
        await limiter.take()
        waiting = asyncio.create_task(limiter.take())
        await asyncio.sleep(1)
        loop.now += 3600  # the sleep's timer has not fired, and others go on
        assert limiter.wait(0) == 0.0
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    in_virtual_time(1, test)
