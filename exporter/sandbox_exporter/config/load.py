"""From a file or the environment to a valid `Config`, or a `ConfigError` with every mistake."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandbox_exporter.config import checks, document, files
from sandbox_exporter.config.accounts import POLL_INTERVAL, Schemas, Surroundings, read_account
from sandbox_exporter.config.model import Account, Config
from sandbox_exporter.config.section import Problems, Section
from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.ledger.month import MonthClose

TOP_KEYS = ("poll_interval", "stale_after", "month_close", "state_file", "otlp", "accounts")
MONTH_CLOSE_KEYS = ("settle", "zero")
STALE_AFTER = checks.duration(10, 7 * 86400)
PHASE = checks.duration(1, 6 * 3600)
_DEFAULTS = Config(accounts=())


def load_file(path: str | Path, schemas: Schemas) -> Config:
    """The configuration in a YAML file; its secrets are read once to see that they are there.

    `schemas` are the vendors whose accounts there may be.

    Raises `ConfigError` with every mistake: those of the file as a whole at the file's path,
    others at the key's, such as `accounts[0].poll_interval`.
    """
    file = Path(path).absolute()
    problems = Problems()
    root = Section(document.read(file, problems), problems)
    root.refuse_unknown(TOP_KEYS)
    poll_interval = root.get("poll_interval", POLL_INTERVAL, 60.0)
    stale_after = root.get("stale_after", STALE_AFTER, _DEFAULTS.stale_after)
    month_close = _month_close(root)
    state_file = root.get("state_file", files.state_file(file.parent), "")
    otlp = root.get("otlp", checks.flag, False)
    accounts = _accounts(root, Surroundings(schemas, file.parent, os.environ, poll_interval))
    problems.raise_any()
    return Config(accounts, stale_after, month_close, state_file, otlp)


def from_environment(schemas: Schemas, environ: Mapping[str, str] = os.environ) -> Config:
    """One account for each vendor whose API key is in the environment, named like the vendor.

    Raises `ConfigError` with every mistake at its variable's name.
    """
    problems = Problems()
    accounts = []
    for schema in schemas.values():
        variables = schema.variables
        found = {key: environ.get(name, "").strip() for key, name in variables.items()}
        if not found.pop("api_key"):
            continue
        values: dict[str, object] = {key: value for key, value in found.items() if value}
        reference = {"env": schema.api_key_variable}
        values |= {"name": schema.name, "provider": schema.name, "api_key": reference}
        section = Section(values, problems, names=variables)
        accounts.append(read_account(section, Surroundings(schemas, Path(), environ)))
    problems.raise_any()
    if not accounts:
        raise ConfigError([Problem("", _nothing_configured(schemas))])
    return Config(tuple(accounts))


def _nothing_configured(schemas: Schemas) -> str:
    ways: list[str] = []
    for schema in schemas.values():
        needed = [key.variable for key in schema.keys if key.variable and key.default is None]
        ways.append(" with ".join([schema.api_key_variable, *needed]))
    return f"no account is configured: set {', or '.join(ways)}, or name a file with --config.file"


def _month_close(root: Section) -> MonthClose:
    empty: dict[str, object] = {}
    values = root.get("month_close", checks.mapping, empty)
    section = Section(values, root.problems, "month_close")
    section.refuse_unknown(MONTH_CLOSE_KEYS)
    default = _DEFAULTS.month_close
    return MonthClose(
        settle=section.get("settle", PHASE, default.settle),
        zero=section.get("zero", PHASE, default.zero),
    )


def _accounts(root: Section, around: Surroundings) -> tuple[Account, ...]:
    none: list[object] = []
    accounts = []
    places: dict[str, str] = {}
    for index, value in enumerate(root.require("accounts", _account_list, none)):
        path = f"accounts[{index}]"
        values = root.problems.attempt(path, checks.mapping, value, None)
        if values is None:
            continue
        section = Section(values, root.problems, path)
        account = read_account(section, around)
        accounts.append(account)
        if account.name and account.name in places:
            message = f"{checks.show(account.name)} is also the name of {places[account.name]}"
            root.problems.add(section.where("name"), f"{message}, allowed: unique names")
        places.setdefault(account.name, path)
    return tuple(accounts)


def _account_list(value: object) -> list[object]:
    allowed = "a list with at least one account"
    if isinstance(value, list) and value:
        return value
    if value == []:
        raise ValueError(f"the list is empty, allowed: {allowed}")
    raise checks.refusal(value, "is not a list", allowed)
