from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox_exporter.config import from_environment, load_file
from sandbox_exporter.config.accounts import account_keys
from sandbox_exporter.config.load import MONTH_CLOSE_KEYS, TOP_KEYS
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.vendors import VENDORS

SECRET = "sk-live-4f9c0a77"
ACCOUNT_KEYS = account_keys(VENDORS)
KEYS = st.sampled_from([*ACCOUNT_KEYS, *TOP_KEYS, *MONTH_CLOSE_KEYS, "env", "file"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["seacloud", "dreadnode", "60s", "5m", "discover", "SEACLOUD_API_KEY"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=6)
    ),
    max_leaves=12,
)
SECRETS = st.one_of(
    st.just(SECRET),
    st.lists(st.just(SECRET), min_size=1, max_size=2),
    st.dictionaries(KEYS | st.just(SECRET), st.just(SECRET) | TREES, max_size=3),
    st.builds(lambda key: {key: SECRET}, st.sampled_from(["env", "file", "value", SECRET])),
)
ACCOUNTS = st.builds(
    lambda provider, key, url, rest: rest | {"provider": provider, "api_key": key, "base_url": url},
    st.sampled_from(["seacloud", "dreadnode"]) | SCALARS,
    SECRETS,
    st.sampled_from(["https://x:%s@a.example", "https://%s@a:b", "https://a.example/?%s"]).map(
        lambda url: url % SECRET
    ),
    st.dictionaries(st.sampled_from(ACCOUNT_KEYS), TREES, max_size=5),
)


def _refusal(tree: object) -> str:
    """The messages for a configuration made of `tree`, empty if it loads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yml")
        path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
        try:
            load_file(path, VENDORS)
        except ConfigError as error:
            return str(error)
        return ""


@settings(max_examples=150, deadline=None)
@given(TREES | st.fixed_dictionaries({"accounts": st.lists(TREES, max_size=3)}))
def test_any_structure_is_loaded_or_refused(tree: object) -> None:
    """Whatever a file holds, the answer is a configuration or a list of mistakes."""
    assert isinstance(_refusal(tree), str)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({"accounts": st.lists(ACCOUNTS, min_size=1, max_size=2)}))
def test_no_message_holds_a_literal_secret(tree: object) -> None:
    """A secret written where a reference belongs, or into a URL, is refused without being shown."""
    refusal = _refusal(tree)
    assert refusal
    assert SECRET not in refusal


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_an_unusable_key_in_any_environment_is_refused(
    url: str, project: str, organization: str
) -> None:
    """Whatever variables hold beside an unusable key, the answer is mistakes without the key."""
    environ = {
        "SEACLOUD_API_KEY": f"{SECRET}\x00",
        "SEACLOUD_BASE_URL": url,
        "SEACLOUD_PROJECT_ID": project,
        "DREADNODE_API_KEY": SECRET,
        "DREADNODE_ORGANIZATION": organization,
    }
    with pytest.raises(ConfigError) as caught:
        from_environment(VENDORS, environ)
    assert SECRET not in str(caught.value)
