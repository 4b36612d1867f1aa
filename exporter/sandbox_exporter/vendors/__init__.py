"""Vendors behind one small protocol; `build` makes the one that an account names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from sandbox_exporter.client import Client, Limiter, Observer
from sandbox_exporter.client.retry import LONGEST_PAUSE
from sandbox_exporter.config.model import NONE, Account
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import (
    Endpoint,
    History,
    Provider,
    TemplatePage,
    TemplateSource,
)
from sandbox_exporter.vendors.dreadnode import provider as dreadnode
from sandbox_exporter.vendors.seacloud import history as seacloud_history
from sandbox_exporter.vendors.seacloud import provider as seacloud

__all__ = [
    "Endpoint",
    "History",
    "Provider",
    "TemplatePage",
    "TemplateSource",
    "build",
    "build_client",
    "build_history",
]


def build_client(
    account: Account, limiter: Limiter, observer: Observer, *, longest_pause: float = LONGEST_PAUSE
) -> Client:
    """An HTTP client that authenticates as the account's vendor wants it.

    A pause that the vendor asks for is kept for `longest_pause` seconds at most.
    """
    if account.provider == "seacloud":
        explain = seacloud.explain
        headers: Callable[[Secret], Mapping[str, str]] = lambda secret: seacloud.headers(  # noqa: E731
            secret, account.project_id
        )
    else:
        explain, headers = dreadnode.explain, dreadnode.headers
    return Client(
        account=account.name,
        base_url=account.base_url,
        credentials=account.api_key.read,
        headers=headers,
        explain=explain,
        limiter=limiter,
        observer=observer,
        ca_file=account.ca_file,
        longest_pause=min(longest_pause, LONGEST_PAUSE),
    )


def build(account: Account, client: Client) -> Provider:
    """The provider of an account."""
    match account.provider:
        case "seacloud":
            return seacloud.SeaCloud(client, with_templates=account.templates != NONE)
        case "dreadnode":
            return dreadnode.Dreadnode(client, account.organization)
        case other:
            assert_never(other)


def build_history(account: Account, client: Client) -> History | None:
    """What the account's vendor tells of the past; None for a vendor that tells nothing."""
    return seacloud_history.SeaCloudHistory(client) if account.provider == "seacloud" else None
