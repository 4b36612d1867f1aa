"""What no account can have used is a vendor's mistake, and is refused."""

from __future__ import annotations

import pytest

from sandbox_exporter.errors import AnswerError, Reason
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import BILLING_UNITS, HOUR, KINDS, MIB, Field, Kind
from sandbox_exporter.vendors.parse import most_of, quantities

NOVEMBER = Month(2026, 11)
FIRST_SECOND = Window(NOVEMBER, NOVEMBER.start, NOVEMBER.start + 1)
WHOLE = Window.whole(NOVEMBER)


@pytest.mark.parametrize("window", [FIRST_SECOND, WHOLE], ids=["second", "month"])
@pytest.mark.parametrize("field", Field)
def test_an_absurd_number_is_refused_by_name_value_and_limit(field: Field, window: Window) -> None:
    """One well-formed answer of a million billion would be held for the rest of the month."""
    unit = {**BILLING_UNITS, Field.STORAGE_USED_BYTES: MIB, Field.STORAGE_FREE_BYTES: MIB}
    most = most_of(field, window) / unit.get(field, 1)
    assert quantities({"key": most * 0.999}, {"key": field}, window, unit)
    with pytest.raises(AnswerError, match=r"^key: 1e\+15 is over .*, the most") as refused:
        quantities({"key": 1e15}, {"key": field}, window, unit)
    assert refused.value.reason is Reason.SCHEMA
    assert f"{most:g}" in refused.value.message


@pytest.mark.parametrize("field", [f for f in Field if KINDS[f] is Kind.MONTH_TOTAL])
def test_a_longer_window_may_hold_more(field: Field) -> None:
    """Totals of a month are bounded by the time that it has lasted."""
    assert most_of(field, WHOLE) > 10 * most_of(field, FIRST_SECOND)


def test_a_vendor_whose_clock_is_ahead_is_believed() -> None:
    """A second after midnight a vendor may tell hours of usage, by its clock or time zone."""
    a_fleet_for_a_day = 10_000.0 * 24
    readings = quantities({"vcpu": a_fleet_for_a_day}, {"vcpu": Field.VCPU_SECONDS}, FIRST_SECOND)
    assert readings == {Field.VCPU_SECONDS: a_fleet_for_a_day}
    assert most_of(Field.VCPU_SECONDS, FIRST_SECOND) > a_fleet_for_a_day * HOUR
