from __future__ import annotations

import pytest

from sandbox_exporter.config import from_environment
from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.vendors import VENDORS

SEACLOUD = {"SEACLOUD_API_KEY": "made-up-key-1"}
DREADNODE = {"DREADNODE_API_KEY": "made-up-key-2", "DREADNODE_ORGANIZATION": "acme"}


def _messages(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        from_environment(VENDORS, environ)
    return [str(problem) for problem in caught.value.problems]


def test_one_key_is_enough() -> None:
    """The key of SeaCloud alone gives an account with the same defaults as a file's."""
    assert from_environment(VENDORS, SEACLOUD) == Config(
        accounts=(
            Account(
                name="seacloud",
                provider="seacloud",
                base_url="https://sandbox-service.real-cloud.seaart.ai/api/v1/sandbox",
                api_key=SecretRef("env", "SEACLOUD_API_KEY"),
            ),
        )
    )


def test_both_vendors_and_every_variable() -> None:
    """Each vendor whose key is set gives an account, with what its other variables say."""
    more = {
        "SEACLOUD_BASE_URL": "http://127.0.0.1:9842/api/v1/sandbox/",
        "SEACLOUD_PROJECT_ID": " proj-1\n",
        "DREADNODE_SERVER": "https://dn.example/api/v1",
    }
    seacloud, dreadnode = from_environment(VENDORS, SEACLOUD | DREADNODE | more).accounts
    assert seacloud.base_url == "http://127.0.0.1:9842/api/v1/sandbox"
    assert seacloud.options == {"project_id": "proj-1"}
    assert (dreadnode.name, dreadnode.provider) == ("dreadnode", "dreadnode")
    assert dreadnode.base_url == "https://dn.example"
    assert dreadnode.options == {"organization": "acme"}


def test_empty_variables_count_as_unset() -> None:
    """Compose files pass variables that nobody set as empty ones."""
    empty = {"SEACLOUD_BASE_URL": "", "DREADNODE_API_KEY": " ", "DREADNODE_ORGANIZATION": ""}
    assert from_environment(VENDORS, SEACLOUD | empty) == from_environment(VENDORS, SEACLOUD)


def test_nothing_set_names_what_to_set() -> None:
    """Without any key the message tells every way to configure an account."""
    (message,) = _messages({"PATH": "/bin", "SEACLOUD_PROJECT_ID": "proj-1"})
    assert message == (
        "no account is configured: set SEACLOUD_API_KEY, or DREADNODE_API_KEY with "
        "DREADNODE_ORGANIZATION, or name a file with --config.file"
    )


def test_mistakes_are_named_by_their_variables() -> None:
    """All mistakes come at once, each with the variable and never with a value of a key."""
    environ = {
        "SEACLOUD_API_KEY": "made-up-kéy",
        "SEACLOUD_BASE_URL": "http://user:made-up-password@a.example",
        "SEACLOUD_PROJECT_ID": "prøj",
        "DREADNODE_API_KEY": "made-up-key",
        "DREADNODE_SERVER": "dn.example",
    }
    messages = _messages(environ)
    variable = "environment variable SEACLOUD_API_KEY"
    slug = "1 to 128 letters, digits, dots, dashes and underscores, no dot in front"
    url = "allowed: an https:// URL with a host and without credentials, query or fragment"
    assert messages == [
        "SEACLOUD_BASE_URL: holds credentials, " + url,
        f"SEACLOUD_API_KEY: {variable} holds characters that an HTTP header cannot carry",
        'SEACLOUD_PROJECT_ID: "prøj" is not ASCII, allowed: 1 to 256 printable ASCII characters',
        "DREADNODE_SERVER: is neither http:// nor https://, " + url,
        f"DREADNODE_ORGANIZATION: is missing, allowed: {slug}",
    ]
    assert "made-up" not in "".join(messages)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables are those of the process, read anew at each call."""
    monkeypatch.delenv("DREADNODE_API_KEY")
    (account,) = from_environment(VENDORS).accounts
    assert account.api_key.read().reveal() == "made-up-seacloud-key"
