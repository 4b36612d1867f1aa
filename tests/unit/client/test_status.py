from __future__ import annotations

import pytest

from sandbox_exporter.client.status import classify, is_retryable
from sandbox_exporter.errors import Reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (304, Reason.SCHEMA),
        (400, Reason.INVALID_REQUEST),
        (401, Reason.AUTH),
        (403, Reason.FORBIDDEN),
        (404, Reason.NOT_FOUND),
        (405, Reason.NOT_FOUND),
        (408, Reason.TIMEOUT),
        (409, Reason.INVALID_REQUEST),
        (418, Reason.INVALID_REQUEST),
        (422, Reason.INVALID_REQUEST),
        (426, Reason.UPGRADE_REQUIRED),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER),
        (501, Reason.NOT_FOUND),
        (502, Reason.SERVER),
        (504, Reason.SERVER),
        (599, Reason.SERVER),
    ],
)
def test_each_status_has_a_reason(status: int, reason: Reason) -> None:
    """A status alone already tells users why a call failed."""
    assert classify(status) is reason


def test_only_what_may_heal_by_itself_is_retried() -> None:
    """Nothing is repeated that somebody must first put right."""
    assert {reason for reason in Reason if is_retryable(reason)} == {
        Reason.TIMEOUT,
        Reason.CONNECT,
        Reason.SERVER,
        Reason.RATE_LIMITED,
    }
