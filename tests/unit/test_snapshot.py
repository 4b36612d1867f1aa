from __future__ import annotations

from dataclasses import replace

from sandbox_exporter.snapshot import AccountSnapshot, EndpointHealth, Snapshot

UP = EndpointHealth("summary", up=True, last_success=1000.0)
DOWN = EndpointHealth("storage", up=False, last_success=900.0, error="server: HTTP 500")


def test_an_account_is_up_when_all_required_endpoints_are() -> None:
    """One that was never polled is not; what adds to the totals is not required."""
    assert AccountSnapshot("seacloud", "a", endpoints=(UP,)).up
    assert AccountSnapshot("seacloud", "a", endpoints=(UP, replace(DOWN, required=False))).up
    assert not AccountSnapshot("seacloud", "a", endpoints=(UP, DOWN)).up
    assert not AccountSnapshot("seacloud", "a").up


def test_the_first_failing_endpoint_is_named() -> None:
    """For the landing page."""
    assert AccountSnapshot("seacloud", "a", endpoints=(UP, DOWN)).error == (
        "storage: server: HTTP 500"
    )
    assert AccountSnapshot("seacloud", "a", endpoints=(UP,)).error == ""


def test_the_age_of_an_account_is_that_of_its_totals() -> None:
    """None before the first success."""
    assert AccountSnapshot("seacloud", "a", endpoints=(UP, DOWN)).last_success == 1000.0
    assert AccountSnapshot("seacloud", "a").last_success is None


def test_readiness_waits_for_every_account() -> None:
    """A failed first poll counts as tried."""
    tried = AccountSnapshot("seacloud", "a", tried=True)
    assert Snapshot((tried,)).ready
    assert not Snapshot((tried, AccountSnapshot("seacloud", "b"))).ready
