from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Field
from sandbox_exporter.vendors.meter import Execution, Meter, total

MONTH = Month(2026, 11)
START = MONTH.start
DAY = 86400


def execution(id_: str, start: float, end: float, box: str = "red") -> Execution:
    """One that uses two vCPUs; times are seconds of the month."""
    return Execution(id_, box, START + start, START + end, {Field.VCPU_SECONDS: 2.0})


def until(end: float) -> Window:
    """The month so far."""
    return Window(MONTH, START, int(START + end))


def test_an_execution_is_counted_once() -> None:
    """However often it is told, and whether or not it was seen running before."""
    meter = Meter(told_again=DAY)
    meter.take([], [execution("a", 0, 60)], START + 60)
    assert meter.usage(until(60)) == {"red": {Field.VCPU_SECONDS: 120.0}}
    for _ in range(3):
        meter.take([execution("a", 0, 90), execution("b", 0, 10, "blue")], [], START + 120)
    usage = meter.usage(until(120))
    assert usage == {"red": {Field.VCPU_SECONDS: 180.0}, "blue": {Field.VCPU_SECONDS: 20.0}}
    assert total(usage) == {Field.VCPU_SECONDS: 200.0}
    assert meter.told_until == START + 90


def test_what_vanished_counts_until_it_was_last_seen() -> None:
    """Its end is not known yet: nothing is made up, and nothing falls."""
    meter = Meter(told_again=DAY)
    meter.take([], [execution("a", 0, 60)], START + 60)
    meter.take([], [], START + 120)
    assert meter.usage(until(120)) == {"red": {Field.VCPU_SECONDS: 120.0}}
    meter.take([execution("a", 0, 70)], [], START + 180)
    assert meter.usage(until(180)) == {"red": {Field.VCPU_SECONDS: 140.0}}


def test_an_execution_over_midnight_belongs_to_both_months() -> None:
    """Each month gets its part, and the one before that is forgotten."""
    meter = Meter(told_again=DAY)
    meter.take([execution("a", -30, 20)], [], START + 60)
    before = Window.whole(MONTH.previous())
    assert meter.usage(before) == {"red": {Field.VCPU_SECONDS: 60.0}}
    assert meter.usage(until(60)) == {"red": {Field.VCPU_SECONDS: 40.0}}
    meter.take([], [], MONTH.end + 1)
    assert meter.usage(before) == {}
    assert meter.usage(until(60)) == {"red": {Field.VCPU_SECONDS: 40.0}}


spans = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 3000)), max_size=12)


@given(spans, st.lists(st.integers(1, 9000), min_size=1, max_size=6))
def test_however_often_it_is_asked_the_usage_is_the_same(
    runs: list[tuple[int, int]], polls: list[int]
) -> None:
    """Polls at any times, with a restart between any two of them, end at the exact usage."""
    meter = Meter(told_again=DAY)
    for now in sorted(polls):
        told = [execution(str(i), at, at + length) for i, (at, length) in enumerate(runs)]
        ended = [e for e in told if e.end <= START + now]
        running = [
            Execution(e.id, e.template_id, e.start, START + now, e.rates)
            for e in told
            if e.start <= START + now < e.end
        ]
        meter.take(ended, running, START + now)
        kept = json.loads(json.dumps(meter.memory()))
        meter = Meter(told_again=DAY)
        meter.recall(kept)
    last = max(polls)
    exact = sum(2.0 * max(0, min(at + length, last) - at) for at, length in runs)
    used = total(meter.usage(until(last))).get(Field.VCPU_SECONDS, 0.0)
    assert used == exact


@pytest.mark.parametrize(
    "memory",
    [
        None,
        {},
        {"used": {"x": {}}, "counted": {}, "running": []},
        {"used": {"2026-11": {"red": {"cost": 1}}}, "counted": {}, "running": []},
        {"used": {}, "counted": {"a": "b"}, "running": []},
        {"used": {}, "counted": {"a": -1}, "running": []},
        {"used": {}, "counted": {}, "running": [["a"]]},
        {"used": {"2026-11": []}, "counted": {}, "running": []},
    ],
)
def test_another_memory_is_refused(memory: object) -> None:
    """What is not understood is said to be so, and is not taken in part."""
    meter = Meter(told_again=DAY)
    meter.take([execution("a", 0, 60)], [], START + 60)
    with pytest.raises(ValueError, match=r"."):
        meter.recall(memory)
    assert total(meter.usage(until(60))) == {Field.VCPU_SECONDS: 120.0}
