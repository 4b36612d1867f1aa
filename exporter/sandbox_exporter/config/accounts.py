"""One account: its keys, defaults and ranges, and what differs between the vendors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox_exporter.config import checks, files, urls
from sandbox_exporter.config.model import DISCOVER, NONE, Account, SecretRef
from sandbox_exporter.config.section import Section

POLL_INTERVAL = checks.duration(10, 3600)
MAX_TEMPLATES = checks.whole(1, 100_000)
MAX_REQUESTS = checks.whole(1, 1_000_000)
_NAME = checks.text(128)
_TEMPLATE = checks.text(256)
_TEMPLATES_ALLOWED = "discover, none or a list of template ids"

Templates = Literal["discover", "none"] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vendor:
    """What an account's `provider` decides about its other keys."""

    name: Literal["seacloud", "dreadnode"]
    base_url: str
    keys: tuple[str, ...]
    """Keys that no other vendor's account has."""
    suffixes: tuple[str, ...] = ()
    """Ends of a base URL that stand for the same place as the URL without them."""


VENDORS: Mapping[str, Vendor] = {
    "seacloud": Vendor(
        "seacloud",
        "https://sandbox-service.real-cloud.seaart.ai/api/v1/sandbox",
        ("project_id", "templates", "max_templates"),
    ),
    "dreadnode": Vendor(
        "dreadnode", "https://app.dreadnode.io", ("organization",), ("/api/v1", "/api")
    ),
}

ACCOUNT_KEYS = (
    "name",
    "provider",
    "base_url",
    "allow_insecure_http",
    "api_key",
    *(key for vendor in VENDORS.values() for key in vendor.keys),
    "budget_usd",
    "max_requests_per_minute",
    "poll_interval",
    "ca_file",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an account's values are read against."""

    folder: Path
    """Relative paths start here."""
    environ: Mapping[str, str] = field(repr=False)
    poll_interval: float = 60.0
    """Seconds, for accounts that do not say."""


def read_account(section: Section, around: Surroundings) -> Account:
    """The account; its mistakes are in the section's problems, with defaults in their places."""
    section.refuse_unknown(ACCOUNT_KEYS)
    vendor = section.require("provider", checks.choice(VENDORS), None)
    if vendor is not None:
        _refuse_foreign(section, vendor)
    read_as = vendor or VENDORS["seacloud"]
    insecure = section.get("allow_insecure_http", checks.flag, False)
    base_url = urls.base_url(read_as.suffixes, insecure)
    secret = files.secret(around.folder, around.environ)
    max_templates = section.get("max_templates", MAX_TEMPLATES, 1000)
    return Account(
        name=section.require("name", _NAME, ""),
        provider=read_as.name,
        base_url=section.get("base_url", base_url, read_as.base_url),
        api_key=section.require("api_key", secret, SecretRef("env", "")),
        project_id=section.get("project_id", checks.header_text(256), ""),
        organization=_organization(section, read_as),
        templates=_templates(section, max_templates),
        max_templates=max_templates,
        budget_usd=section.get("budget_usd", checks.amount, None),
        max_requests_per_minute=section.get("max_requests_per_minute", MAX_REQUESTS, 120),
        poll_interval=section.get("poll_interval", POLL_INTERVAL, around.poll_interval),
        ca_file=section.get("ca_file", files.ca_file(around.folder), ""),
    )


def _refuse_foreign(section: Section, vendor: Vendor) -> None:
    for other in VENDORS.values():
        for key in other.keys:
            if other is not vendor and key in section.values:
                message = f"is a key of provider {other.name}, this account is {vendor.name}"
                section.problems.add(section.where(key), message)


def _organization(section: Section, vendor: Vendor) -> str:
    if "organization" not in vendor.keys:
        return ""
    return section.require("organization", checks.slug, "")


def _templates(section: Section, most: int) -> Templates:
    value = section.values.get("templates", DISCOVER)
    if not isinstance(value, list):
        return section.get("templates", _mode, "discover")
    path = section.where("templates")
    if not value:
        section.problems.add(path, f"the list is empty, allowed: {_TEMPLATES_ALLOWED}")
    if len(value) > most:
        message = f"lists {len(value)} templates, allowed: at most max_templates ({most})"
        section.problems.add(path, message)
    places: dict[str, str] = {}
    for index, item in enumerate(value):
        place = f"{path}[{index}]"
        template = section.problems.attempt(place, _template, item, "")
        if template and template in places:
            message = f"{checks.show(template)} is also {places[template]}, allowed: each id once"
            section.problems.add(place, message)
        places.setdefault(template, place)
    return tuple(places)


def _mode(value: object) -> Templates:
    if value == DISCOVER:
        return "discover"
    if value == NONE:
        return "none"
    raise checks.refusal(value, "is not one of them", _TEMPLATES_ALLOWED)


def _template(value: object) -> str:
    template = _TEMPLATE(value)
    if template == "all":
        # The vendor reads it as no filter, so the account's whole usage would be its usage.
        raise ValueError('"all" is no template id, allowed: ids, or templates: discover')
    return template
