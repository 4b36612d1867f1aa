from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sandbox_exporter import supervisor
from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.secret import Secret
from sandbox_exporter.supervisor import FaultLog, end

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop

pytestmark = pytest.mark.anyio


async def raises(fault: BaseException) -> None:
    """Ends by the fault."""
    raise fault


async def test_a_fault_becomes_a_failure_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its traceback holds no secret; the next one after a success is told again."""
    faults = FaultLog(Secret("made-up-key").mask, account="prod")
    for _ in range(3):
        with pytest.raises(AnswerError, match=r"^internal error, see the log$"):
            await faults.contain("summary", raises(ValueError("header made-up-key is bad")))
    (record,) = caplog.records
    fields: dict[str, Any] = vars(record)
    assert "ValueError: header *** is bad" in fields["traceback"]
    assert (fields["account"], fields["where"]) == ("prod", "summary")
    await faults.contain("summary", asyncio.sleep(0))
    with pytest.raises(AnswerError):
        await faults.contain("summary", raises(ValueError("header made-up-key is bad")))
    assert len(caplog.records) == 2


async def test_a_failure_of_the_vendor_passes_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """It is no fault of the exporter."""
    failure = UpstreamError(Reason.SERVER, "down")
    with pytest.raises(UpstreamError) as caught:
        await FaultLog().contain("summary", raises(failure))
    assert caught.value is failure
    assert caplog.records == []


async def test_another_ones_cancellation_is_a_fault() -> None:
    """Only a task that was told to end itself ends by it."""
    with pytest.raises(AnswerError):
        await FaultLog().contain("summary", raises(asyncio.CancelledError()))


def test_whatever_ends_a_long_task_starts_it_again(
    in_virtual_time: InVirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    """After pauses that grow, with one log line for one lasting fault, until it is cancelled."""
    starts: list[float] = []

    async def test(loop: VirtualLoop) -> None:
        async def work() -> None:
            starts.append(loop.time())
            if len(starts) > 3:
                await asyncio.Event().wait()
            raise RuntimeError("again")

        task = asyncio.create_task(FaultLog().supervise("polls", work))
        await asyncio.sleep(10)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    in_virtual_time(test)
    assert [round(start) for start in starts] == [0, 1, 3, 7]
    assert [r.levelno for r in caplog.records if r.name == "sandbox_exporter"] == [logging.ERROR]


@pytest.mark.parametrize("ends", ["return", "cancelled"])
def test_no_end_is_silent(ends: str, in_virtual_time: InVirtualTime) -> None:
    """Neither a return nor the cancellation of something that was awaited."""
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if ends == "cancelled":
            raise asyncio.CancelledError

    async def test(_loop: VirtualLoop) -> None:
        task = asyncio.create_task(FaultLog().supervise("polls", work))
        await asyncio.sleep(2)
        assert starts == 2
        await end([task])
        assert task.cancelled()

    in_virtual_time(test)


def test_a_fault_in_the_clean_up_does_not_outlive_the_cancellation(
    in_virtual_time: InVirtualTime,
) -> None:
    """One `cancel()` is enough, whatever the clean-up raises."""
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts > 1:
            return  # so that a failing test ends too
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("clean-up")

    async def test(_loop: VirtualLoop) -> None:
        task = asyncio.create_task(FaultLog().supervise("polls", work))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task], timeout=1)
        assert task.cancelled()
        assert starts == 1

    in_virtual_time(test)


def test_a_task_that_will_not_end_is_told_again_and_then_left(
    in_virtual_time: InVirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of the program does not hang on it."""

    async def stubborn(times: int) -> None:
        for _ in range(times):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def test(loop: VirtualLoop) -> None:
        tasks = [asyncio.create_task(stubborn(times), name=f"task {times}") for times in (2, 4)]
        await asyncio.sleep(0)
        await end(tasks)
        assert loop.time() < 4 * supervisor.PATIENCE
        assert [task.done() for task in tasks] == [True, False]
        tasks[1].cancel()

    in_virtual_time(test)
    assert [vars(record)["task"] for record in caplog.records] == ["task 4"]
