from __future__ import annotations

import base64
import copy
import logging
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.secret import Secret

VALUE = "sk-live-4f9c0a77"


def test_a_secret_never_shows_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Printed, formatted, put into a container or logged, it is three stars."""
    secret = Secret(VALUE)
    logging.getLogger(__name__).warning("key %s %r", secret, [secret])
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>20}",
        f"{secret!r}",
        str({1: secret}),
    ]
    assert shown == ["***", "***", "***", "***", "***", "{1: ***}"]
    assert caplog.messages == ["key *** [***]"]


def test_reveal_gives_the_text() -> None:
    """The one way to the text is to ask for it by name."""
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_written_out(duplicate: object) -> None:
    """Neither pickled nor copied, so that it does not end up in a file or a queue."""
    assert callable(duplicate)
    with pytest.raises(TypeError, match=r"^a secret cannot be pickled$"):
        duplicate(Secret(VALUE))


def test_secrets_compare_by_their_text() -> None:
    """A reload can tell a rotated secret from the same one."""
    assert Secret(VALUE) == Secret(VALUE)
    assert len({Secret(VALUE), Secret(VALUE), Secret("other")}) == 2
    assert Secret(VALUE) != VALUE


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"no such key {VALUE}!", "no such key ***!"),
        (VALUE + VALUE, "******"),
        ("nothing of it", "nothing of it"),
        ("", ""),
        (f"ключ {VALUE} 🔑", "ключ *** 🔑"),
        (f"a lone \ud800 and {VALUE}", "a lone \ud800 and ***"),
    ],
)
def test_an_echo_is_masked(text: str, masked: str) -> None:
    """Whatever stands around it stays as it is."""
    assert Secret(VALUE).mask(text) == masked


def _everywhere(text: str) -> str:
    """Every character percent-encoded."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize("value", [VALUE, "k/e+y=a b%41_&ü-?0123"])
@pytest.mark.parametrize("lower", [False, True])
def test_a_percent_encoded_echo_is_masked(value: str, lower: bool) -> None:
    """Fully, partly and repeatedly encoded, in either case of the digits."""
    forms = [
        _everywhere(value),
        quote(value, safe=""),
        quote(quote(value, safe=""), safe=""),
        _everywhere(_everywhere(value)),
        value[:3] + _everywhere(value[3:7]) + quote(value[7:]),
    ]
    for form in forms:
        echo = form.replace("%2F", "%2f").replace("%6B", "%6b") if lower else form
        assert Secret(value).mask(f"50% of x={echo}&y=%41") == "50% of x=***&y=%41"


@given(
    before=st.binary(max_size=8),
    after=st.binary(max_size=8),
    url_safe=st.booleans(),
    padded=st.booleans(),
    percent=st.booleans(),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
)
def test_a_base64_echo_is_masked(
    before: bytes, after: bytes, url_safe: bool, padded: bool, percent: bool, value: str
) -> None:
    """Alone or within the base64 of a longer text, as in `Authorization: Basic`."""
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    echo = encode(before + value.encode() + after).decode()
    echo = echo if padded else echo.rstrip("=")
    core = echo[-(-len(before) * 4 // 3) : (len(before) + len(value)) * 4 // 3]
    masked = Secret(value).mask(f"Basic {quote(echo, safe='') if percent else echo} was refused")
    assert masked.startswith("Basic ")
    assert masked.endswith(" was refused")
    assert "***" in masked
    assert not any(core[at : at + 6] in masked for at in range(len(core) - 5))


def test_each_cookie_is_masked_by_itself() -> None:
    """A vendor may echo one of the several that make the secret."""
    secret = Secret("lang=en; session=0123456789abcdef; csrf=fedcba9876543210")
    echo = base64.b64encode(b"s:0123456789abcdef").decode()
    assert secret.mask("bad session 0123456789abcdef, lang=en") == "bad session ***, lang=en"
    assert secret.mask(f"bad session {echo}") == "bad session cz***"


def test_a_short_secret_is_masked_as_it_stands_only() -> None:
    """A few characters of base64 may be part of any text."""
    assert Secret("abc").mask("abc YWJj") == "*** YWJj"
    assert Secret("").mask("any text") == "any text"
