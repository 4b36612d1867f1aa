from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.config.urls import base_url
from sandbox_exporter.vendors import VENDORS

plain = base_url((), allow_insecure=False)
dreadnode = base_url(VENDORS["dreadnode"].base_url_suffixes, allow_insecure=False)


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("https://a.example/x/", "https://a.example/x"),
        ("HTTPS://A.Example:8443//", "https://a.example:8443"),
        ("https://a.example:/x", "https://a.example/x"),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]:443/x"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://a.example/api/v1", "https://a.example/api/v1"),
    ],
)
def test_urls_are_normalised(written: str, used: str) -> None:
    """Host and scheme are in lower case and no slash is left at the end."""
    assert plain(written) == used


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/", "/api/v1", "/api/v1/"])
def test_dreadnode_servers_are_named_by_their_root(suffix: str) -> None:
    """What the vendor's own client accepts names the same server here."""
    assert dreadnode("https://dn.example" + suffix) == "https://dn.example"
    assert dreadnode("https://dn.example/sub" + suffix) == "https://dn.example/sub"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1",
        "http://127.0.0.1:1/x",
        "http://127.8.9.1",
        "http://[::1]:1",
        "http://[::ffff:127.0.0.1]",
    ],
)
def test_loopback_needs_no_tls(url: str) -> None:
    """A key that does not leave the machine may go unencrypted."""
    assert plain(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://a.example", "http://10.0.0.1", "http://localhost.a.example", "http://127.0.0.1.a.dev"],
)
def test_plain_http_is_refused_unless_allowed(url: str) -> None:
    """Elsewhere the account has to say that it may."""
    with pytest.raises(ValueError, match=r"^http:// would send the API key unencrypted"):
        plain(url)
    assert base_url((), allow_insecure=True)(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https://:443",
        "https://a..example",
        "https://a.example:port",
        "https://a.example:0",
        "https://999.1.1.1",
        "https://127.1",
        "https://[::1",
        "https://[zz]",
        "https://" + "a" * 64 + ".example",
    ],
)
def test_hosts_that_cannot_be_reached_are_refused(url: str) -> None:
    """A malformed host or port is found before anything is polled."""
    with pytest.raises(ValueError, match=r"^has a malformed host or port, allowed: an https"):
        plain(url)


@pytest.mark.parametrize(
    "url", ["https://a.example/ü", "https://a.example\\x", "https://a\n.example", "https://a\t.ex"]
)
def test_odd_characters_are_refused(url: str) -> None:
    """Characters that URL parsers read differently are in no accepted URL."""
    with pytest.raises(ValueError, match=r"^holds characters that no URL has"):
        plain(url)


def test_endless_urls_are_refused() -> None:
    """A URL longer than servers accept is named as such."""
    with pytest.raises(ValueError, match=r"^has more than 2048 characters"):
        plain("https://a.example/" + "x" * 2048)


@given(
    st.text(alphabet="ab1.:/[]@%-_?#\\ é", max_size=30),
    st.sampled_from(["https://", "http://", ""]),
)
def test_accepted_urls_work_in_the_http_client(rest: str, scheme: str) -> None:
    """Whatever is accepted is a URL to the HTTP client too, with a host and without credentials."""
    try:
        url = base_url((), allow_insecure=True)(scheme + rest)
    except ValueError as error:
        message = str(error)
        url = "https://refused.example"
    else:
        message = ""
    assert len(rest) < 5 or rest not in message
    parsed = httpx.URL(url)
    assert parsed.host
    assert not parsed.userinfo
    assert base_url((), allow_insecure=True)(url) == url
