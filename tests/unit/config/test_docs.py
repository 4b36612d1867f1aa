from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from sandbox_exporter.config import accounts, checks, load, load_file
from sandbox_exporter.config.section import Check
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.vendors import VENDORS
from scripts import config_doc

ROOT = Path(__file__).parents[3]
FILES = ROOT / "tests" / "fixtures" / "config" / "files"
TEXT = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ROWS = dict(re.findall(r"^\| `([^`]+)` \|(.*)$", TEXT, re.MULTILINE))
CHECKED: dict[str, Check[object]] = {
    "poll_interval": accounts.POLL_INTERVAL,
    "stale_after": load.STALE_AFTER,
    "month_close.settle": load.PHASE,
    "month_close.zero": load.PHASE,
    "accounts[].poll_interval": accounts.POLL_INTERVAL,
    "accounts[].max_templates": accounts.MAX_TEMPLATES,
    "accounts[].max_requests_per_minute": accounts.MAX_REQUESTS,
    "accounts[].budget_usd": checks.amount,
    "accounts[].allow_insecure_http": checks.flag,
    "accounts[].organization": checks.slug,
}


def _schema() -> set[str]:
    top = {key for key in load.TOP_KEYS if key != "month_close"}
    phases = {f"month_close.{key}" for key in load.MONTH_CLOSE_KEYS}
    return top | phases | {f"accounts[].{key}" for key in accounts.account_keys(VENDORS)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_loads(example: str, tmp_path: Path) -> None:
    """A reader who copies an example gets a configuration that works."""
    shutil.copy(FILES / "ca.pem", tmp_path / "private-ca.pem")
    for name in ("seacloud", "dreadnode"):
        shutil.copy(FILES / "api_key", tmp_path / name)
    for folder in ("/run/secrets", "/etc/ssl", "/var/lib/sandbox-exporter"):
        example = example.replace(folder + "/", f"{tmp_path}/")
    (tmp_path / "config.yml").write_text(example, encoding="utf-8")
    assert load_file(tmp_path / "config.yml", VENDORS).accounts


def test_the_tables_hold_exactly_the_keys() -> None:
    """Every key is documented and every documented key exists."""
    documented = {key for key in ROWS if not key.isupper()}
    assert documented == _schema()


def test_the_table_holds_exactly_the_variables() -> None:
    """Every environment variable is documented and every documented one exists."""
    variables = {name for v in VENDORS.values() for name in v.variables.values()}
    assert {key for key in ROWS if key.isupper()} == variables


def test_the_vendors_parts_are_what_their_descriptors_say() -> None:
    """`make docs` was run after the last change of a vendor's keys."""
    assert config_doc.render(TEXT, VENDORS.values()) == TEXT


@pytest.mark.parametrize("key", CHECKED)
def test_the_tables_state_what_is_allowed(key: str) -> None:
    """The range in a table is the one that a message names."""
    with pytest.raises(ValueError, match="allowed: ") as caught:
        CHECKED[key](None)
    assert str(caught.value).partition("allowed: ")[2] in ROWS[key]


def test_the_example_of_messages_is_what_is_printed(tmp_path: Path) -> None:
    """The messages shown are those that the mistakes really cause."""
    (messages,) = re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "config.yml").write_text(
        "stale_afer: 5m\naccounts:\n"
        "- {name: prod, provider: seacloud, poll_interval: 5s, api_key: sk-live}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_file(tmp_path / "config.yml", VENDORS)
    printed = str(caught.value).replace(f"{tmp_path}/", "")
    assert sorted(printed.splitlines()) == sorted(messages.splitlines())
