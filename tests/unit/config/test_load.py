from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox_exporter.config import load_file
from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.vendors import VENDORS

Load = Callable[[str], Config]
FIXTURES = Path(__file__).parents[2] / "fixtures" / "config"
MINIMAL = """
accounts:
  - name: prod
    provider: seacloud
    api_key: {env: SEACLOUD_API_KEY}
"""


def test_defaults_are_those_of_the_model() -> None:
    """A file with nothing but the required keys gives the documented defaults."""
    assert load_file(FIXTURES / "minimal.ok.yml", VENDORS) == Config(
        accounts=(
            Account(
                name="prod",
                provider="seacloud",
                base_url="https://sandbox-service.real-cloud.seaart.ai/api/v1/sandbox",
                api_key=SecretRef("env", "SEACLOUD_API_KEY"),
            ),
        )
    )
    (account,) = load_file(FIXTURES / "dreadnode.ok.yml", VENDORS).accounts
    assert account.base_url == "https://app.dreadnode.io"


def test_every_key_is_read() -> None:
    """A file with every key gives the values written there, paths made absolute."""
    folder = str(FIXTURES)
    assert load_file(FIXTURES / "full.ok.yml", VENDORS) == Config(
        accounts=(
            Account(
                name="prod",
                provider="seacloud",
                base_url="https://sandbox.example:8443/api/v1/sandbox",
                api_key=SecretRef("file", f"{folder}/files/api_key"),
                options={"project_id": "proj-1"},
                templates=("tpl-a", "tpl-b"),
                max_templates=2,
                budget_usd=250.0,
                max_requests_per_minute=600,
                poll_interval=30.0,
                ca_file=f"{folder}/files/ca.pem",
            ),
            Account(
                name="research",
                provider="dreadnode",
                base_url="http://dreadnode.internal",
                api_key=SecretRef("env", "DREADNODE_API_KEY"),
                options={"organization": "acme"},
                budget_usd=0.5,
                poll_interval=120.0,
            ),
        ),
        stale_after=600.0,
        month_close=MonthClose(settle=10.0, zero=5.0),
        state_file=f"{folder}/state.json",
    )


def test_texts_that_look_like_other_types_stay_texts() -> None:
    """An account may be called `no`, and templates may look like times or hexadecimal numbers."""
    first, second = load_file(FIXTURES / "core_schema.ok.yml", VENDORS).accounts
    assert (first.name, first.options["project_id"]) == ("no", "2026-13-45")
    assert first.templates == ("on", "1:30", "0x1f", "null-template")
    assert (second.api_key, second.templates) == (first.api_key, "none")


@pytest.mark.parametrize("word", ["discover", "none"])
def test_templates_may_be_a_word(load: Load, word: str) -> None:
    """All templates or none are asked for by one word."""
    assert load(f"{MINIMAL}    templates: {word}\n").accounts[0].templates == word


def test_a_reload_tells_which_accounts_changed(load: Load) -> None:
    """The same text gives equal accounts, a change in one key an unequal one."""
    before = load(MINIMAL)
    assert load(MINIMAL) == before
    assert load(MINIMAL + "    budget_usd: 5\n").accounts != before.accounts


def test_a_relative_path_to_the_file_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files named in the configuration are found beside it, and stay found elsewhere."""
    (tmp_path / "key").write_text("made-up\n")
    (tmp_path / "config.yml").write_text(MINIMAL.replace("env: SEACLOUD_API_KEY", "file: key"))
    monkeypatch.chdir(tmp_path)
    (account,) = load_file("config.yml", VENDORS).accounts
    monkeypatch.chdir("/")
    assert account.api_key.read().reveal() == "made-up"


def test_a_folder_without_write_access_is_refused(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state file's folder is checked at start, not at the first write."""
    # Tests may run as root, for whom every folder is writable.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError) as caught:
        load("state_file: state.json\n" + MINIMAL)
    assert str(caught.value).endswith(
        'config.yml:1: state_file: "state.json" is in a folder that cannot be written to, '
        "allowed: a file in an existing, writable folder"
    )


def test_a_flood_of_mistakes_is_cut(load: Load) -> None:
    """After a hundred mistakes the rest is only counted."""
    with pytest.raises(ConfigError) as caught:
        load("".join(f"key{i}: 1\n" for i in range(500)) + MINIMAL)
    lines = str(caught.value).splitlines()
    assert (len(lines), lines[-1]) == (101, "and 400 more mistakes")
