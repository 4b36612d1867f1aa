from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.errors import AnswerError, Reason
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import GIB, HOUR, Field
from sandbox_exporter.vendors.parse import amount, identifier, mapping, quantities, text

WINDOW = Window.whole(Month(2026, 10))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text()
    | st.from_regex(r"\s?[+-]?[0-9.,_]{1,8}([eE]-?[0-9]{1,4})?\s?"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Whatever an answer may hold, and what a lax decoder would add: NaN and Infinity."""


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0.0),
        (3, 3.0),
        (1.5, 1.5),
        ("00", 0.0),
        ("10240", 10240.0),
        (" 0.0333 ", 0.0333),
        ("1e3", 1000.0),
        ("+2", 2.0),
        (-0.0, 0.0),
        (1e15, 1e15),
    ],
)
def test_numbers_and_numeric_strings_are_numbers(value: object, number: float) -> None:
    """Vendors send either."""
    found = amount({"key": value}, "key")
    assert found == number
    assert math.copysign(1, found or 0.0) == 1


@pytest.mark.parametrize("answer", [{}, {"key": None}])
def test_what_is_missing_or_null_is_no_number(answer: dict[str, object]) -> None:
    """Never 0."""
    assert amount(answer, "key") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "key: expected a number, got text"),
        ("1,5", "key: expected a number, got text"),
        ("0x10", "key: expected a number, got text"),
        ("1_000", "key: expected a number, got text"),
        ("nan", "key: expected a number, got text"),
        ("\u0661", "key: expected a number, got text"),
        (True, "key: expected a number, got True"),
        ([], "key: expected a number, got an array"),
        ({}, "key: expected a number, got an object"),
        (-1, "key: expected a number from 0 to 1e+15, got -1.0"),
        ("-0.5", "key: expected a number from 0 to 1e+15, got -0.5"),
        (math.nan, "key: expected a number from 0 to 1e+15, got inf"),
        (math.inf, "key: expected a number from 0 to 1e+15, got inf"),
        ("1e999", "key: expected a number from 0 to 1e+15, got inf"),
        (10**400, "key: expected a number from 0 to 1e+15, got inf"),
        (2e15, "key: expected a number from 0 to 1e+15, got inf"),
    ],
)
def test_anything_else_is_refused_by_name(value: object, message: str) -> None:
    """The message says where, what is allowed, and never quotes text."""
    with pytest.raises(AnswerError) as caught:
        amount({"key": value}, "key")
    assert str(caught.value) == message
    assert caught.value.reason is Reason.SCHEMA


@given(JSON)
def test_no_value_becomes_a_bad_number(value: object) -> None:
    """Whatever comes is a finite number from 0 on, nothing, or a schema error."""
    try:
        found = amount({"key": value}, "key", "templates[3]")
    except AnswerError as error:
        assert error.message.startswith("templates[3].key: ")
    else:
        assert found is None or 0 <= found <= 1e15


@given(st.dictionaries(st.sampled_from(["vcpu_hours", "ram_gb_hours", "other"]), JSON) | JSON)
def test_no_answer_breaks_the_reading(answer: object) -> None:
    """An answer of any shape gives good quantities or a schema error."""
    fields = {"vcpu_hours": Field.VCPU_SECONDS, "ram_gb_hours": Field.MEMORY_BYTE_SECONDS}
    units = {Field.VCPU_SECONDS: HOUR, Field.MEMORY_BYTE_SECONDS: GIB * HOUR}
    try:
        readings = quantities(mapping(answer, "answer"), fields, WINDOW, units)
    except AnswerError as error:
        assert error.reason is Reason.SCHEMA
    else:
        assert all(math.isfinite(value) and value >= 0 for value in readings.values())


@given(JSON)
def test_texts_are_short_or_refused(value: object) -> None:
    """Labels stay short; identifiers are never cut and never unprintable."""
    for read in (text, identifier):
        try:
            found = read({"key": value}, "key", "item")
        except AnswerError:
            continue
        assert len(found) <= 256
        if read is identifier:
            assert found == value
            assert found.isprintable()


def test_quantities_are_in_base_units() -> None:
    """Billing units are multiplied out; what is null stays out."""
    readings = quantities(
        {"vcpu_hours": "1.5", "usage_costs_usd": 2, "data_transfer_gb": None},
        {
            "vcpu_hours": Field.VCPU_SECONDS,
            "usage_costs_usd": Field.COST_USD,
            "data_transfer_gb": Field.DATA_TRANSFER_BYTES,
            "running_sandboxes": Field.RUNNING_SANDBOXES,
        },
        WINDOW,
        {Field.VCPU_SECONDS: HOUR},
    )
    assert readings == {Field.VCPU_SECONDS: 5400.0, Field.COST_USD: 2.0}


def test_an_answer_to_another_question_is_refused() -> None:
    """An object with none of the fields is not taken for an account without usage."""
    with pytest.raises(AnswerError, match="expected one of sessions"):
        quantities({"message": "ok"}, {"sessions": Field.SESSIONS}, WINDOW)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("", ""), (None, ""), ("x" * 300, "x" * 256), (12, "12")],
)
def test_texts_are_cut_to_a_sane_length(value: object, shown: str) -> None:
    """A version may be a number."""
    assert text({"version": value}, "version") == shown


@pytest.mark.parametrize("value", [True, 1.5, [], {}])
def test_a_text_of_another_type_is_refused(value: object) -> None:
    """The path of the field is told."""
    with pytest.raises(AnswerError, match=r"^templates\[0\]\.type: expected text"):
        text({"type": value}, "type", "templates[0]")


@pytest.mark.parametrize("value", [None, "", 7, "x" * 257, "a\nb", "\0"])
def test_an_identifier_must_be_printable_text(value: object) -> None:
    """It names a series, so nothing is guessed or cut."""
    with pytest.raises(AnswerError, match=r"^item\.id: expected"):
        identifier({"id": value}, "id", "item")


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_an_answer_must_be_an_object(value: object) -> None:
    """Anything else says what came instead."""
    with pytest.raises(AnswerError, match=r"^answer: expected an object, got"):
        mapping(value, "answer")
