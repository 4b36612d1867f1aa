from __future__ import annotations

import pytest

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.poll.health import RETRY_UNSUPPORTED, Health

MONTH = Month(2026, 11)
LACKING = UpstreamError(Reason.NOT_FOUND, "HTTP 404", status=404)
DOWN = UpstreamError(Reason.SERVER, "HTTP 500", status=500)


def test_an_endpoint_that_was_never_asked_is_not_published() -> None:
    """Before its first poll there is nothing to say."""
    health = Health("summary")
    assert not health.tried
    assert not health.fresh(0.0, 300.0)
    assert health.due(0.0, MONTH)


def test_an_answer_stays_good_for_its_time() -> None:
    """It is due again after that, in another month, and when the last call failed."""
    health = Health("costs", every=60.0)
    health.succeeded(100.0, 5000.0, MONTH)
    assert not health.due(159.0, MONTH)
    assert health.due(160.0, MONTH)
    assert health.due(101.0, MONTH.next())
    health.failed(DOWN, 102.0)
    assert health.due(103.0, MONTH)


def test_a_failure_is_published_with_its_reason_and_the_last_success() -> None:
    """Whoever looks sees what is wrong, and since when."""
    health = Health("summary")
    health.succeeded(100.0, 5000.0, MONTH)
    assert health.failed(DOWN, 160.0)
    published = health.published()
    assert (published.up, published.last_success) == (False, 5000.0)
    assert published.error == "server: HTTP 500"
    health.succeeded(220.0, 5120.0, MONTH)
    assert (health.published().up, health.published().error) == (True, "")


def test_numbers_of_a_failing_endpoint_grow_stale() -> None:
    """They are shown for a while yet; those of a working one for as long as it works."""
    health = Health("summary")
    health.succeeded(100.0, 5000.0, MONTH)
    assert health.fresh(10_000.0, 300.0)
    health.failed(DOWN, 160.0)
    assert health.fresh(400.0, 300.0)
    assert not health.fresh(401.0, 300.0)


@pytest.mark.parametrize("status", [404, 405, 501])
def test_an_optional_endpoint_that_is_lacking_is_tried_again_hourly(status: int) -> None:
    """It is no failure, it is not published, and it may appear one day."""
    health = Health("storage", optional=True)
    lacking = UpstreamError(Reason.NOT_FOUND, "lacking", status=status)
    assert not health.failed(lacking, 100.0)
    assert health.unsupported
    assert not health.tried
    assert not health.due(100.0 + RETRY_UNSUPPORTED - 1, MONTH.next())
    assert health.due(100.0 + RETRY_UNSUPPORTED, MONTH)
    health.succeeded(3700.0, 5000.0, MONTH)
    assert health.due(3760.0, MONTH)
    assert health.published().up


def test_a_lacking_endpoint_that_then_fails_is_a_failure() -> None:
    """Another status says that the deployment has it after all."""
    health = Health("storage", optional=True)
    health.failed(LACKING, 100.0)
    assert health.failed(DOWN, 3700.0)
    assert health.tried
    assert not health.published().up


def test_an_endpoint_that_worked_is_not_lacking() -> None:
    """Once it answered, or when it is required, a 404 is a failure."""
    optional = Health("storage", optional=True)
    optional.succeeded(100.0, 5000.0, MONTH)
    assert optional.failed(LACKING, 160.0)
    assert Health("summary").failed(LACKING, 160.0)
