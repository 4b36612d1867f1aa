"""SeaCloud: usage of the billing month by template, storage and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox_exporter.client import Client
from sandbox_exporter.config import checks
from sandbox_exporter.config.model import NONE, Account
from sandbox_exporter.config.schema import Key
from sandbox_exporter.model import Field
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import History, Provider, Vendor
from sandbox_exporter.vendors.seacloud.history import SeaCloudHistory
from sandbox_exporter.vendors.seacloud.provider import NO_FILTER, SeaCloud, explain, headers

if TYPE_CHECKING:
    from sandbox_exporter.simulator.stand_in import StandIn

PROJECT_ID = Key(
    "project_id",
    checks.header_text(256),
    "Project to ask for, for keys that may see several.",
    default="",
    variable="SEACLOUD_PROJECT_ID",
    identifies=True,
)
_any_template = checks.text(256)


def _template_id(value: object) -> str:
    template_id = _any_template(value)
    if template_id == NO_FILTER:
        # The account's whole usage would be its usage.
        raise ValueError('"all" is no template id, allowed: ids, or templates: discover')
    return template_id


def _headers(account: Account, secret: Secret) -> Mapping[str, str]:
    return headers(secret, PROJECT_ID.of(account))


def _provider(account: Account, client: Client) -> Provider:
    return SeaCloud(client, with_templates=account.templates != NONE)


def _history(_account: Account, client: Client) -> History:
    return SeaCloudHistory(client)


def _stand_in() -> StandIn[Any]:
    # Imported late: only the simulator needs it.
    from sandbox_exporter.vendors.seacloud.simulator import STAND_IN  # noqa: PLC0415

    return STAND_IN


SEACLOUD = Vendor(
    name="seacloud",
    title="SeaCloud",
    base_url="https://sandbox-service.real-cloud.seaart.ai/api/v1/sandbox",
    base_url_note="the prefix is part of it",
    base_url_variable="SEACLOUD_BASE_URL",
    api_key_variable="SEACLOUD_API_KEY",
    keys=(PROJECT_ID,),
    breakdown=True,
    template_id=_template_id,
    headers=_headers,
    explain=explain,
    provider=_provider,
    history=_history,
    stand_in=_stand_in,
    sources={
        Field.VCPU_SECONDS: "summary `vcpu_hours` × 3600",
        Field.MEMORY_BYTE_SECONDS: "summary `ram_gb_hours` × 2^30 × 3600",
        Field.DATA_TRANSFER_BYTES: "summary `data_transfer_gb` × 10^9",
        Field.COST_USD: "summary `usage_costs_usd`",
        Field.RUNNING_SANDBOXES: "summary `running_sandboxes`",
        Field.PAUSED_STORAGE_BYTES: "summary `storage_capacity_gb` × 2^30",
        Field.STORAGE_USED_BYTES: "storage/realtime `storage_mib` × 2^20",
        Field.STORAGE_FREE_BYTES: "storage/realtime `free_storage_mib` × 2^20",
        Field.BILLED_COST_CURRENT_USD: "costs `current_value_usd`",
        Field.BILLED_COST_PREVIOUS_USD: "costs `current_value_usd`",
    },
    template_source="templates `names`, `aliases`, `type`, `version`",
)
