from __future__ import annotations

from sandbox_exporter.ledger.month import Month
from sandbox_exporter.model import HOUR, Field
from sandbox_exporter.poll.explain import Residual
from sandbox_exporter.vendors.base import Rounding

MONTH = Month(2026, 11)
USD = Field.COST_USD
VCPU = Field.VCPU_SECONDS


def begun(residual: Residual, poll: int, total: float, month: Month = MONTH) -> Residual:
    """The residual in a poll in which the account's cost was `total`."""
    residual.begin({USD: total}, month, dict)
    return residual


def settled(total: float) -> Residual:
    """A residual after a first poll in which one template had all the usage."""
    residual = begun(Residual(Rounding()), 1, total)
    residual.take("a", {}, {USD: total})
    residual.end(1, 1)
    return residual


def test_at_first_nothing_is_explained() -> None:
    """What has never been compared is not known to agree."""
    assert not begun(Residual(Rounding()), 1, 5.0).explained


def test_what_templates_report_explains_the_account() -> None:
    """Growth is unexplained until the template that grew was asked."""
    residual = begun(settled(5.0), 2, 8.0)
    assert not residual.explained
    assert residual.changed
    residual.take("a", {USD: 5.0}, {USD: 8.0})
    assert residual.explained


def test_what_no_template_explains_is_settled_once_all_were_asked() -> None:
    """Before that it stays open, and no new change is seen in it."""
    residual = begun(settled(5.0), 2, 8.0)
    residual.end(2, 1)
    begun(residual, 3, 8.0)
    assert not residual.explained
    assert not residual.changed
    residual.end(3, 2)
    assert begun(residual, 4, 8.0).explained


def test_a_quantity_that_the_account_no_longer_reports_needs_no_explanation() -> None:
    """Nothing can be compared with a value that is left out."""
    residual = settled(5.0)
    residual.begin({}, MONTH, dict)
    assert residual.explained


def test_a_quantity_that_the_account_begins_to_report_needs_one() -> None:
    """It was not part of what was found to agree."""
    residual = settled(5.0)
    residual.begin({USD: 5.0, VCPU: 3600.0}, MONTH, dict)
    assert not residual.explained


def test_rounding_explains_small_differences_only_where_values_are_rounded() -> None:
    """Four decimals of an hour are 0.36 s; values with more decimals show any difference."""
    residual = Residual(Rounding())
    residual.begin({VCPU: 1.2345 * HOUR}, MONTH, dict)
    residual.take("a", {}, {VCPU: 1.2345 * HOUR})
    residual.end(1, 1)
    for hours, explained in ((1.2346, True), (1.2349, False), (1.2345001234567, False)):
        residual.begin({VCPU: hours * HOUR}, MONTH, dict)
        assert residual.explained is explained


def test_running_sandboxes_are_whole() -> None:
    """They are never rounded, so one more is always a change."""
    residual = Residual(Rounding())
    residual.begin({Field.RUNNING_SANDBOXES: 1000.0}, MONTH, dict)
    residual.take("a", {}, {Field.RUNNING_SANDBOXES: 1000.0})
    residual.end(1, 1)
    residual.begin({Field.RUNNING_SANDBOXES: 1001.0}, MONTH, dict)
    assert not residual.explained


def test_a_new_month_starts_with_nothing_unexplained() -> None:
    """What was settled of the old month's totals does not carry over."""
    residual = begun(settled(5.0), 2, 8.0)
    residual.end(2, 2)
    begun(residual, 3, 0.0, MONTH.next())
    assert residual.explained
    begun(residual, 4, 3.0, MONTH.next())
    assert not residual.explained


def test_the_vendor_says_how_it_rounds() -> None:
    """A change within the rounding is nobody's usage, one beyond it is some template's."""
    for rounding, explained in ((Rounding({}, 0), True), (Rounding({}, 1), False)):
        residual = begun(Residual(rounding), 1, 5.0)
        residual.take("a", {}, {USD: 5.0})
        residual.end(1, 1)
        assert begun(residual, 2, 6.0).explained is explained
