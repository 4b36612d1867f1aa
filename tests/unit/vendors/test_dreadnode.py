from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.client import Failure
from sandbox_exporter.errors import AnswerError, Reason
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import Endpoint
from sandbox_exporter.vendors.dreadnode.provider import Dreadnode, explain, headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.vendors.conftest import FakeClient

WINDOW = Window(Month(2026, 11), Month(2026, 11).start, Month(2026, 11).start + 60)


def fetch(endpoint: Endpoint) -> Readings:
    """What an endpoint makes of its answer."""

    async def fetched() -> Readings:
        return await endpoint.fetch(WINDOW)

    return asyncio.run(fetched())


def test_the_usage_of_an_organization(answering: Callable[..., FakeClient]) -> None:
    """Lifetime totals, and the month's seconds as they are."""
    client = answering(
        {"current_month_seconds": 12, "sessions_count": 3, "total_runtime_seconds": 90}
    )
    provider = Dreadnode(client.client, "acme")
    (endpoint,) = provider.endpoints
    assert fetch(endpoint) == {
        Field.MONTH_RUNTIME_SECONDS: 12.0,
        Field.SESSIONS: 3.0,
        Field.RUNTIME_SECONDS: 90.0,
    }
    assert client.calls == [("usage", "/api/v1/org/acme/sandboxes/usage", None)]
    assert provider.templates is None


def test_an_answer_of_another_shape_is_refused(answering: Callable[..., FakeClient]) -> None:
    """An array is no usage."""
    (endpoint,) = Dreadnode(answering([]).client, "acme").endpoints
    with pytest.raises(AnswerError, match="answer: expected an object, got an array"):
        fetch(endpoint)


def test_the_key_is_sent_in_both_ways() -> None:
    """The public page shows one, the vendor's client the other."""
    assert headers(Secret("k")) == {"Authorization": "Bearer k", "X-API-Key": "k"}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (429, {"detail": "Out of CREDITS", "type": "x"}, (Reason.QUOTA, "Out of CREDITS")),
        (429, {"detail": "slow down"}, (Reason.RATE_LIMITED, "slow down")),
        (401, {"detail": "bad", "type": "auth"}, (Reason.AUTH, "auth: bad")),
        (426, {"detail": "old", "type": 5}, (Reason.UPGRADE_REQUIRED, "old")),
        (422, {"detail": [{"loc": ["x"]}]}, None),
        (500, {}, None),
        (500, "text", None),
    ],
)
def test_the_vendors_error_envelope(
    status: int, body: object, failure: tuple[Reason, str] | None
) -> None:
    """Its words explain the failure; an exhausted credit is not throttling."""
    assert explain(status, body) == (Failure(*failure) if failure else None)
