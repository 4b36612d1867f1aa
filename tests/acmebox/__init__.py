"""Acmebox, a vendor that does not exist: one folder, put on the list of vendors by its tests.

It shows what a folder needs, in the two shapes that SeaCloud does not have: `metering: usage` asks
for all boxes at once, `metering: events` counts what boxes ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox_exporter.client import Client, Failure, classify
from sandbox_exporter.config import checks
from sandbox_exporter.config.model import NONE, Account
from sandbox_exporter.config.schema import Key
from sandbox_exporter.model import Field
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.base import Provider, Vendor
from tests.acmebox.provider import AcmeboxByEvents, AcmeboxByUsage

if TYPE_CHECKING:
    from sandbox_exporter.simulator import StandIn

TEAM = Key(
    "team",
    checks.slug,
    "The team whose boxes are counted.",
    variable="ACMEBOX_TEAM",
    identifies=True,
)
METERING = Key(
    "metering",
    checks.choice({name: name for name in ("usage", "events")}),
    "Whether the vendor's own usage is asked for, or boxes are metered by their events.",
    default="usage",
)


def _headers(account: Account, secret: Secret) -> Mapping[str, str]:
    return {"X-Box-Key": secret.reveal(), "X-Box-Team": TEAM.of(account)}


def _explain(status: int, body: object) -> Failure | None:
    problem = body.get("problem") if isinstance(body, dict) else None
    return Failure(classify(status), problem) if isinstance(problem, str) else None


def _provider(account: Account, client: Client) -> Provider:
    made = AcmeboxByEvents if METERING.of(account) == "events" else AcmeboxByUsage
    return made(client, TEAM.of(account), with_boxes=account.templates != NONE)


def _stand_in() -> StandIn[Any]:
    from tests.acmebox.simulator import STAND_IN  # noqa: PLC0415 - only the simulator needs it

    return STAND_IN


ACMEBOX = Vendor(
    name="acmebox",
    title="Acmebox",
    base_url="https://api.acmebox.example",
    base_url_variable="ACMEBOX_URL",
    api_key_variable="ACMEBOX_KEY",
    keys=(TEAM, METERING),
    breakdown=True,
    headers=_headers,
    explain=_explain,
    provider=_provider,
    stand_in=_stand_in,
    sources={
        Field.VCPU_SECONDS: "usage `cpu_seconds`, or events",
        Field.RUNNING_SANDBOXES: "usage `running`, or the list of boxes",
    },
    template_source="usage `box`",
)
