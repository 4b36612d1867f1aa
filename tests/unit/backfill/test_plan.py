from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest

from sandbox_exporter.backfill.plan import Plan, Refusal, make_plan
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.vendors.base import Cycle

At = Callable[[str], int]
ACCOUNT = Account("prod", "seacloud", "", SecretRef("env", ""))


def _plan(vendor: Any, span: Span, account: Account = ACCOUNT) -> Plan:
    return asyncio.run(make_plan(account, vendor, vendor, span, Cycle.MINUTE))


@pytest.mark.parametrize(
    ("templates", "most", "asked"),
    [("discover", 10, ["a", "b"]), ("discover", 1, ["a"]), ("none", 10, []), (("x",), 10, ["x"])],
)
def test_templates_are_those_that_would_be_polled(
    make_vendor: Any,
    at: At,
    templates: Literal["discover", "none"] | tuple[str, ...],
    most: int,
    asked: list[str],
) -> None:
    """Discovered up to the limit, listed, or none."""
    account = replace(ACCOUNT, templates=templates, max_templates=most)
    plan = _plan(make_vendor(), Span(at("2025-03-01"), at("2025-03-02")), account)
    assert [scope.template_id for scope in plan.scopes] == [None, *asked]


def test_months_before_the_first_usage_are_not_read(make_vendor: Any, at: At) -> None:
    """They cost a call each in the plan, and none after it."""
    vendor = make_vendor()
    vendor.began = at("2025-02-10")
    plan = _plan(vendor, Span(at("2024-12-20"), at("2025-03-05")))
    scope = plan.scopes[0]
    assert list(scope.months) == [Month(2024, 12), Month(2025, 1), Month(2025, 2), Month(2025, 3)]
    assert {window.month for window in plan.windows(scope)} == {Month(2025, 2), Month(2025, 3)}


def test_refused_months_are_kept_with_the_vendors_words(make_vendor: Any, at: At) -> None:
    """Clipped to the span; the rest is planned."""
    vendor = make_vendor(())
    vendor.keeps_from = at("2025-03-01")
    plan = _plan(vendor, Span(at("2025-02-10"), at("2025-03-05")))
    assert plan.refused == [Refusal(None, at("2025-02-10"), at("2025-03-01"), "too long ago")]
    assert list(plan.scopes[0].months) == [Month(2025, 3)]


def test_other_errors_end_the_planning(make_vendor: Any, at: At) -> None:
    """A vendor that is down says nothing of its history."""
    vendor = make_vendor()
    vendor.fail = lambda _: UpstreamError(Reason.SERVER, "HTTP 503")
    with pytest.raises(UpstreamError, match="HTTP 503"):
        _plan(vendor, Span(at("2025-03-01"), at("2025-03-02")))
