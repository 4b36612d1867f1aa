"""Vendors behind one small protocol: a folder each, and a line in `VENDORS`."""

from __future__ import annotations

import time
from collections.abc import Callable

from sandbox_exporter.client import Client, Limiter, Observer
from sandbox_exporter.client.retry import LONGEST_PAUSE
from sandbox_exporter.config.model import Account
from sandbox_exporter.vendors.base import (
    AtOnce,
    Endpoint,
    History,
    Provider,
    TemplatePage,
    TemplateSource,
    Vendor,
)
from sandbox_exporter.vendors.dreadnode import DREADNODE
from sandbox_exporter.vendors.seacloud import SEACLOUD

__all__ = [
    "VENDORS",
    "AtOnce",
    "Endpoint",
    "History",
    "Provider",
    "TemplatePage",
    "TemplateSource",
    "Vendor",
    "build",
    "build_client",
    "build_history",
    "identity",
]

VENDORS: dict[str, Vendor] = {
    vendor.name: vendor
    for vendor in (
        SEACLOUD,
        DREADNODE,
    )
}
"""Every vendor, by the name that an account's `provider` gives it."""


def build_client(
    account: Account,
    limiter: Limiter,
    observer: Observer,
    *,
    longest_pause: float = LONGEST_PAUSE,
    clock: Callable[[], float] = time.monotonic,
) -> Client:
    """An HTTP client that authenticates as the account's vendor wants it.

    A pause that the vendor asks for is kept for `longest_pause` seconds at most. `clock`, that of
    the limiter, gives monotonic seconds.
    """
    vendor = VENDORS[account.provider]
    return Client(
        account=account.name,
        base_url=account.base_url,
        credentials=account.api_key.read,
        headers=lambda secret: vendor.headers(account, secret),
        explain=vendor.explain,
        limiter=limiter,
        observer=observer,
        ca_file=account.ca_file,
        longest_pause=min(longest_pause, LONGEST_PAUSE),
        clock=clock,
    )


def build(account: Account, client: Client) -> Provider:
    """The provider of an account."""
    return VENDORS[account.provider].provider(account, client)


def build_history(account: Account, client: Client) -> History | None:
    """What the account's vendor tells of the past; None for a vendor that tells nothing."""
    history = VENDORS[account.provider].history
    return history(account, client) if history else None


def identity(account: Account) -> str:
    """What makes an account the same one to its vendor and in its series."""
    return VENDORS[account.provider].identity(account)
