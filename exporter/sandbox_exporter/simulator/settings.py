"""Who may use the simulator, and what it simulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEACLOUD_PREFIX = "/api/v1/sandbox"


@dataclass(frozen=True, slots=True)
class SeaCloudAccount:
    """A SeaCloud API key, and the project that it belongs to."""

    name: str
    """Also a part of the seed: accounts of different names have different fleets."""
    api_key: str
    project_id: str
    most_templates: int | None = None
    """The account has fewer templates than the settings say, if this is less."""


@dataclass(frozen=True, slots=True)
class DreadnodeAccount:
    """A Dreadnode API key, and the organization that it belongs to."""

    name: str
    api_key: str
    organization: str


SEACLOUD_ACCOUNTS = (
    SeaCloudAccount("prod", "sim-prod-key", "proj-prod"),
    SeaCloudAccount("dev", "sim-dev-key", "proj-dev", most_templates=5),
)
DREADNODE_ACCOUNTS = (DreadnodeAccount("research", "sim-research-key", "acme"),)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is simulated. The keys are made up, so they may be shown."""

    seed: int = 1
    templates: int = 12
    seacloud: Sequence[SeaCloudAccount] = SEACLOUD_ACCOUNTS
    dreadnode: Sequence[DreadnodeAccount] = DREADNODE_ACCOUNTS


def environment(settings: Settings, origin: str) -> tuple[str, ...]:
    """The `NAME=value` lines with which the exporter polls the first account of each vendor.

    `origin` is the simulator's own address, like `http://127.0.0.1:9842`.
    """
    lines: list[str] = []
    for account in settings.seacloud[:1]:
        lines += [
            f"SEACLOUD_API_KEY={account.api_key}",
            f"SEACLOUD_BASE_URL={origin}{SEACLOUD_PREFIX}",
            f"SEACLOUD_PROJECT_ID={account.project_id}",
        ]
    for organization in settings.dreadnode[:1]:
        lines += [
            f"DREADNODE_API_KEY={organization.api_key}",
            f"DREADNODE_SERVER={origin}",
            f"DREADNODE_ORGANIZATION={organization.organization}",
        ]
    return tuple(lines)
