from __future__ import annotations

from sandbox_exporter.simulator.faults import Fault, FaultBoard, Kind, spoil

ANSWER = {"vcpu_hours": 10.0, "running_sandboxes": 3, "sessions_count": 7}


def test_the_narrowest_fault_is_taken() -> None:
    """A fault for one account is met before one for all."""
    board = FaultBoard()
    board.put(Fault(Kind.NULL))
    board.put(Fault(Kind.MISSING, route="summary"))
    board.put(Fault(Kind.GARBAGE, route="summary", account="prod"))
    requests = [("summary", "prod"), ("summary", "dev"), ("costs", "dev")]
    taken = [board.take(*request, "") for request in requests]
    assert [fault.kind for fault in taken if fault] == [Kind.GARBAGE, Kind.MISSING, Kind.NULL]


def test_a_fault_for_some_requests_wears_off() -> None:
    """It still tells how many met it."""
    board = FaultBoard()
    board.put(Fault(Kind.NULL, times=2))
    taken = [board.take("summary", "prod", "") for _ in range(3)]
    assert [fault is not None for fault in taken] == [True, True, False]
    assert board.taken() == [(Fault(Kind.NULL, times=2), 2)]


def test_one_template_can_fail_alone() -> None:
    """Others are answered well."""
    board = FaultBoard()
    board.put(Fault(Kind.NULL, route="template_summary", template_id="tpl-a"))
    assert board.take("template_summary", "prod", "tpl-b") is None
    assert board.take("template_summary", "prod", "tpl-a") is not None


def test_a_fault_replaces_one_of_the_same_scope_and_can_be_cleared() -> None:
    """By route, or all."""
    board = FaultBoard()
    board.put(Fault(Kind.NULL, route="costs"))
    board.put(Fault(Kind.MISSING, route="costs"))
    board.put(Fault(Kind.DELAY, route="summary"))
    assert [fault.kind for fault, _ in board.taken()] == [Kind.MISSING, Kind.DELAY]
    board.clear("costs")
    assert [fault.kind for fault, _ in board.taken()] == [Kind.DELAY]
    board.clear()
    assert board.taken() == []


def test_fields_can_be_wrong_null_or_missing() -> None:
    """One field, or every one of them."""
    assert spoil(Fault(Kind.NULL, field="vcpu_hours"), ANSWER) == {**ANSWER, "vcpu_hours": None}
    assert spoil(Fault(Kind.WRONG_TYPES, field="vcpu_hours"), ANSWER) == {
        **ANSWER,
        "vcpu_hours": [[]],
    }
    assert spoil(Fault(Kind.MISSING, field="vcpu_hours"), ANSWER) == {
        "running_sandboxes": 3,
        "sessions_count": 7,
    }
    assert spoil(Fault(Kind.MISSING), ANSWER) == {}
    assert spoil(Fault(Kind.NULL), [ANSWER]) == [dict.fromkeys(ANSWER)]


def test_a_correction_scales_totals_and_no_levels() -> None:
    """Whole numbers stay whole."""
    assert spoil(Fault(Kind.CORRECTION, factor=0.5), ANSWER, {"vcpu_hours", "sessions_count"}) == {
        "vcpu_hours": 5.0,
        "running_sandboxes": 3,
        "sessions_count": 3,
    }


def test_a_delay_leaves_the_answer_alone() -> None:
    """Only its time changes."""
    assert spoil(Fault(Kind.DELAY, delay=1), ANSWER) == ANSWER
