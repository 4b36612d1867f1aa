"""Dreadnode: an organization's sandbox runtime and sessions.

Source: the vendor's API reference (route, meanings, error envelope) and its published client
(field names, headers). The time zone of "calendar month" is not stated; UTC is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sandbox_exporter.client import Client, Failure, classify
from sandbox_exporter.errors import Reason
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import Endpoint, TemplateSource
from sandbox_exporter.vendors.parse import mapping, quantities

_FIELDS = {
    "total_runtime_seconds": Field.RUNTIME_SECONDS,
    "sessions_count": Field.SESSIONS,
    "current_month_seconds": Field.MONTH_RUNTIME_SECONDS,
}


class Dreadnode:
    """A Dreadnode organization. It has no breakdown by template."""

    name = "dreadnode"
    templates: TemplateSource | None = None

    def __init__(self, client: Client, organization: str) -> None:
        self._client = client
        self._path = f"/api/v1/org/{organization}/sandboxes/usage"
        self.endpoints: Sequence[Endpoint] = (Endpoint("usage", self._usage),)

    async def _usage(self, window: Window) -> Readings:
        answer = mapping(await self._client.get("usage", self._path), "answer")
        return quantities(answer, _FIELDS, window)


def headers(secret: Secret) -> Mapping[str, str]:
    """Both ways to authenticate: the public page shows one, the vendor's client sends the other."""
    return {"Authorization": f"Bearer {secret.reveal()}", "X-API-Key": secret.reveal()}


def explain(status: int, body: object) -> Failure | None:
    """The text of the vendor's envelope `{"code", "detail", "type", "errors"}`.

    A 429 that speaks of credit means that the credit is used up.
    """
    if not isinstance(body, dict):
        return None
    detail, kind = body.get("detail"), body.get("type")
    if not isinstance(detail, str):
        return None
    if status == 429 and "credit" in f"{detail} {kind}".lower():
        return Failure(Reason.QUOTA, detail)
    return Failure(classify(status), f"{kind}: {detail}" if isinstance(kind, str) else detail)
