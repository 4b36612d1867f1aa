from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from sandbox_exporter.backfill.reading import TOTALS, Answers, Reader, cycle_of
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.model import Field
from sandbox_exporter.vendors.base import Cycle

At = Callable[[str], int]


def _read(vendor: Any, span: Span, resolution: Cycle = Cycle.MINUTE) -> Sequence[Answers]:
    months = {w.month: (w.end, vendor.exact(w.start, w.end)) for w in span.months()}

    async def read() -> Sequence[Answers]:
        reader = Reader(vendor, None, months, resolution)
        async with aclosing(reader.read(span.windows(resolution))) as told:
            return [answers async for answers in told]

    return asyncio.run(read())


def test_answers_come_in_order_with_exact_totals(make_vendor: Any, at: At) -> None:
    """Totals are those since the month's start, however many windows are asked ahead."""
    vendor = make_vendor()
    told = _read(vendor, Span(at("2025-02-20T06:00"), at("2025-03-03")))
    assert [answers.window.start for answers in told] == sorted(
        answers.window.start for answers in told
    )
    for answers in told:
        month = answers.window.month.start
        assert answers.end == vendor.exact(month, answers.window.end)


def test_totals_between_two_windows_are_asked_once(make_vendor: Any, at: At) -> None:
    """And those that the plan knows not at all."""
    vendor = make_vendor()
    _read(vendor, Span(at("2025-03-02"), at("2025-03-05")))
    asked = [called[3] for called in vendor.calls if called[0] == "totals"]
    assert sorted(asked) == [at("2025-03-02"), at("2025-03-03"), at("2025-03-04")]


def test_refused_trends_are_told_and_done_without(make_vendor: Any, at: At) -> None:
    """The totals stay good."""
    vendor = make_vendor()
    vendor.fail = lambda called: (
        UpstreamError(Reason.NOT_FOUND, "no such route") if called[0] == "vcpu_seconds" else None
    )
    (answers,) = _read(vendor, Span(at("2025-03-02"), at("2025-03-03")))
    assert answers.missing == {"vcpu_seconds": "no such route"}
    assert answers.end


def test_refused_totals_leave_nothing(make_vendor: Any, at: At) -> None:
    """No trend is asked for a window of which the vendor keeps no totals."""
    vendor = make_vendor()
    vendor.keeps_from = at("2025-03-02")
    (answers,) = _read(vendor, Span(at("2025-03-02"), at("2025-03-03")))
    assert answers.missing == {TOTALS: "too long ago"}
    assert [called[0] for called in vendor.calls] == ["totals"]


@pytest.mark.parametrize(
    ("what", "resolution", "fatal"),
    [
        ("paused_storage_bytes", Cycle.MINUTE, False),
        ("costs", Cycle.DAY, False),
        ("vcpu_seconds", Cycle.MINUTE, True),
        ("totals", Cycle.MINUTE, True),
    ],
)
def test_unreadable_answers_end_the_work_unless_optional(
    make_vendor: Any, at: At, what: str, resolution: Cycle, fatal: bool
) -> None:
    """Where the vendor's shape is unknown, the rest is still worth having."""
    vendor = make_vendor()
    vendor.fail = lambda called: (
        UpstreamError(Reason.SCHEMA, "not so") if called[0] == what else None
    )
    span = Span(at("2025-03-02"), at("2025-03-04"))
    if fatal:
        with pytest.raises(UpstreamError, match="not so"):
            _read(vendor, span, resolution)
    else:
        assert all(
            answers.missing == {what: "not so"} for answers in _read(vendor, span, resolution)
        )


def test_failures_leave_no_call_under_way(make_vendor: Any, at: At) -> None:
    """What was asked ahead or beside is cancelled."""
    vendor = make_vendor()
    vendor.fail = lambda called: (
        UpstreamError(Reason.SERVER, "HTTP 503") if called[0] == "vcpu_seconds" else None
    )
    span = Span(at("2025-03-02"), at("2025-03-20"))
    months = {w.month: (w.end, vendor.exact(w.start, w.end)) for w in span.months()}

    async def read() -> None:
        reader = Reader(vendor, None, months, Cycle.MINUTE)
        async with aclosing(reader.read(span.windows(Cycle.MINUTE))) as told:
            await anext(told)

    async def fail() -> int:
        with pytest.raises(UpstreamError, match="HTTP 503"):
            await read()
        return len(asyncio.all_tasks())

    assert asyncio.run(fail()) == 1


def test_cycles_are_the_widest_that_fit(make_vendor: Any) -> None:
    """There are no hours of runtime and no minutes of storage."""
    runtime, storage = make_vendor().trends[0], make_vendor().trends[-1]
    assert [cycle_of(runtime, c) for c in Cycle] == [Cycle.MINUTE, Cycle.MINUTE, Cycle.DAY]
    assert [cycle_of(storage, c) for c in Cycle] == [Cycle.HOUR, Cycle.HOUR, Cycle.DAY]


def test_growth_is_unknown_where_a_total_is(at: At) -> None:
    """A quantity that the vendor leaves out is neither idle nor used."""
    window = next(iter(Span(at("2025-03-02"), at("2025-03-03")).windows(Cycle.MINUTE)))
    field = Field.VCPU_SECONDS
    assert Answers(window, {}, {field: 1.0}).growth(field) is None
    assert not Answers(window, {}, {field: 1.0}).idle
    assert Answers(window, {field: 2.0}, {field: 1.0}).growth(field) == 0.0
