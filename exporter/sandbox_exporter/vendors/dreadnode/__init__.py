"""Dreadnode: an organization's sandbox runtime and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox_exporter.client import Client
from sandbox_exporter.config import checks
from sandbox_exporter.config.model import Account
from sandbox_exporter.config.schema import Key
from sandbox_exporter.model import Field
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import Provider, Vendor
from sandbox_exporter.vendors.dreadnode.provider import Dreadnode, explain, headers

if TYPE_CHECKING:
    from sandbox_exporter.simulator.stand_in import StandIn

ORGANIZATION = Key(
    "organization",
    checks.slug,
    "The organization's slug, as in the web address of its pages.",
    variable="DREADNODE_ORGANIZATION",
    identifies=True,
)


def _headers(_account: Account, secret: Secret) -> Mapping[str, str]:
    return headers(secret)


def _provider(account: Account, client: Client) -> Provider:
    return Dreadnode(client, ORGANIZATION.of(account))


def _stand_in() -> StandIn[Any]:
    # Imported late: only the simulator needs it.
    from sandbox_exporter.vendors.dreadnode.simulator import STAND_IN  # noqa: PLC0415

    return STAND_IN


DREADNODE = Vendor(
    name="dreadnode",
    title="Dreadnode",
    base_url="https://app.dreadnode.io",
    base_url_note="the root, `…/api` and `…/api/v1` name the same server",
    base_url_suffixes=("/api/v1", "/api"),
    base_url_variable="DREADNODE_SERVER",
    api_key_variable="DREADNODE_API_KEY",
    keys=(ORGANIZATION,),
    headers=_headers,
    explain=explain,
    provider=_provider,
    stand_in=_stand_in,
    sources={
        Field.RUNTIME_SECONDS: "usage `total_runtime_seconds`",
        Field.SESSIONS: "usage `sessions_count`",
        Field.MONTH_RUNTIME_SECONDS: "usage `current_month_seconds`",
    },
)
