from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.poll.forecast import forecast

if TYPE_CHECKING:
    from tests.unit.poll.conftest import FakeVendor

ACCOUNT = Account("prod", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))


def test_an_account_without_templates_is_known_exactly(fake_vendor: type[FakeVendor]) -> None:
    """Two questions each minute and one each hour."""
    vendor = fake_vendor()
    vendor.templates = None
    assert forecast(ACCOUNT, vendor) == (121, 121, 121)
    assert forecast(replace(ACCOUNT, poll_interval=10.0), vendor) == (721, 721, 721)


def test_listed_templates_cost_more_the_more_are_in_use(fake_vendor: type[FakeVendor]) -> None:
    """Idle ones are asked four times an hour, those in use at each poll."""
    account = replace(ACCOUNT, templates=("a", "b"))
    assert forecast(account, fake_vendor()) == (121, 129, 241)


def test_discovery_may_cost_all_that_the_limit_allows(fake_vendor: type[FakeVendor]) -> None:
    """How many templates there are is not known; the list itself is asked at each poll."""
    assert forecast(ACCOUNT, fake_vendor()) == (181, 181, 7200)


def test_the_limit_bounds_the_forecast(fake_vendor: type[FakeVendor]) -> None:
    """More than max_requests_per_minute are never made."""
    account = replace(ACCOUNT, templates=("a", "b"), max_requests_per_minute=3)
    assert forecast(account, fake_vendor()) == (121, 129, 180)
