"""One account: its keys, defaults and ranges. What differs between vendors is in their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sandbox_exporter.config import checks, files, urls
from sandbox_exporter.config.model import DISCOVER, NONE, Account, SecretRef
from sandbox_exporter.config.schema import AccountSchema
from sandbox_exporter.config.section import Section

POLL_INTERVAL = checks.duration(10, 3600)
MAX_TEMPLATES = checks.whole(1, 100_000)
MAX_REQUESTS = checks.whole(1, 1_000_000)
TEMPLATES_ALLOWED = "discover, none or a list of template ids"
_NAME = checks.text(128)

COMMON_KEYS = (
    "name",
    "provider",
    "base_url",
    "allow_insecure_http",
    "api_key",
    "budget_usd",
    "max_requests_per_minute",
    "poll_interval",
    "ca_file",
)
_ANY_VENDOR = AccountSchema(
    name="", title="", base_url="", base_url_variable="", api_key_variable=""
)
"""Stands for a provider that nobody knows, so that its account's other mistakes are found too."""

Schemas = Mapping[str, AccountSchema]
"""The vendors by the name that `provider` gives them."""
Templates = Literal["discover", "none"] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an account's values are read against."""

    schemas: Schemas
    folder: Path
    """Relative paths start here."""
    environ: Mapping[str, str] = field(repr=False)
    poll_interval: float = 60.0
    """Seconds, for accounts that do not say."""


def account_keys(schemas: Schemas) -> tuple[str, ...]:
    """Every key that some account may have, once."""
    own = (key for schema in schemas.values() for key in schema.own_keys)
    return tuple(dict.fromkeys((*COMMON_KEYS[:5], *own, *COMMON_KEYS[5:])))


def read_account(section: Section, around: Surroundings) -> Account:
    """The account; its mistakes are in the section's problems, with defaults in their places."""
    section.refuse_unknown(account_keys(around.schemas))
    schema = section.require("provider", checks.choice(around.schemas), None)
    if schema is not None:
        _refuse_foreign(section, schema, around.schemas)
    schema = schema or _ANY_VENDOR
    insecure = section.get("allow_insecure_http", checks.flag, False)
    base_url = urls.base_url(schema.base_url_suffixes, insecure)
    secret = files.secret(around.folder, around.environ)
    max_templates = section.get("max_templates", MAX_TEMPLATES, 1000)
    return Account(
        name=section.require("name", _NAME, ""),
        provider=schema.name,
        base_url=section.get("base_url", base_url, schema.base_url),
        api_key=section.require("api_key", secret, SecretRef("env", "")),
        options=_options(section, schema),
        templates=_templates(section, schema, max_templates),
        max_templates=max_templates,
        budget_usd=section.get("budget_usd", checks.amount, None),
        max_requests_per_minute=section.get("max_requests_per_minute", MAX_REQUESTS, 120),
        poll_interval=section.get("poll_interval", POLL_INTERVAL, around.poll_interval),
        ca_file=section.get("ca_file", files.ca_file(around.folder), ""),
    )


def _refuse_foreign(section: Section, schema: AccountSchema, schemas: Schemas) -> None:
    for key in section.values:
        others = [other.name for other in schemas.values() if key in other.own_keys]
        if others and key not in schema.own_keys:
            message = f"is a key of provider {' and '.join(others)}, this account is {schema.name}"
            section.problems.add(section.where(key), message)


def _options(section: Section, schema: AccountSchema) -> Mapping[str, object]:
    """The values of the vendor's own keys that are given."""
    return {
        key.name: section.require(key.name, key.check, key.default)
        for key in schema.keys
        if key.default is None or key.name in section.values
    }


def _templates(section: Section, schema: AccountSchema, most: int) -> Templates:
    value = section.values.get("templates", DISCOVER)
    if not isinstance(value, list):
        return section.get("templates", _mode, "discover")
    path = section.where("templates")
    if not value:
        section.problems.add(path, f"the list is empty, allowed: {TEMPLATES_ALLOWED}")
    if len(value) > most:
        message = f"lists {len(value)} templates, allowed: at most max_templates ({most})"
        section.problems.add(path, message)
    places: dict[str, str] = {}
    for index, item in enumerate(value):
        place = f"{path}[{index}]"
        template = section.problems.attempt(place, schema.template_id, item, "")
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
    raise checks.refusal(value, "is not one of them", TEMPLATES_ALLOWED)
