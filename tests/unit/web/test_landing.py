from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from sandbox_exporter.model import Field
from sandbox_exporter.snapshot import (
    AccountSnapshot,
    EndpointHealth,
    Snapshot,
    Usage,
)
from sandbox_exporter.web.landing import account_state, age, landing_page, not_found_page
from sandbox_exporter.web.site import Site

NOW = 1_790_000_000.0
USAGE = Usage(readings={Field.RUNNING_SANDBOXES: 1234, Field.COST_USD: 56.789})
UP = EndpointHealth("summary", up=True, last_success=NOW - 12)
DOWN = EndpointHealth("summary", up=False, last_success=NOW - 7200, error="timeout: no answer")
NEVER = EndpointHealth("summary", up=False, error="auth: key rejected")
EXTRA = EndpointHealth("costs", up=False, error="server: 502")


class _Text(HTMLParser):
    """Collects what a reader sees, and the tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        if self.tags[-1] != "style":
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(filter(None, self.words))


def _page(*accounts: AccountSnapshot, version: str = "1.2.3", documentation: str = "") -> str:
    return landing_page(
        Site(
            version=version,
            page=lambda: pytest.fail("the landing page needs no metrics"),
            snapshot=lambda: Snapshot(accounts),
            documentation=documentation,
            now=lambda: NOW,
        )
    )


def _account(*endpoints: EndpointHealth, usage: Usage = USAGE, tried: bool = True) -> str:
    return account_state(AccountSnapshot("p", "a", tried=tried, endpoints=endpoints, usage=usage))


def test_what_is_known_of_an_account() -> None:
    """Name, vendor, state, age, templates, sandboxes, cost against budget: all in one row."""
    page = _Text(
        _page(
            AccountSnapshot(
                "seacloud",
                "prod",
                tried=True,
                endpoints=(UP,),
                usage=USAGE,
                templates_known=2,
                templates_dropped=3,
                budget_usd=250,
            )
        )
    )
    assert "prod seacloud up 12 s ago 2 +3 dropped 1,234 $56.79 of $250.00" in page.text
    assert "Accounts up 1 of 1 Running sandboxes 1,234 Month to date $56.79" in page.text


def test_what_is_unknown() -> None:
    """What the vendor does not report is a dash, never a zero."""
    account = AccountSnapshot("dreadnode", "research", tried=True, endpoints=(NEVER,))
    page = _Text(_page(account))
    never = "\N{EN DASH}"
    assert f"research dreadnode down never {never} {never} {never}" in page.text
    assert f"Running sandboxes {never} Month to date {never}" in page.text


def test_last_error() -> None:
    """An account that fails says which endpoint and why."""
    page = _Text(
        _page(AccountSnapshot("p", "a", tried=True, endpoints=(UP, EXTRA), usage=USAGE)),
    )
    assert "partly failing" in page.text
    assert "costs: server: 502" in page.text


def test_links() -> None:
    """Everything that is served is a click away; the documentation is when there is some."""
    local = ["/metrics", "/-/ready", "/-/healthy"]
    assert _Text(_page()).links == local
    docs = "https://docs.example.org/?a=1&b=2"
    assert _Text(_page(documentation=docs)).links == [*local, docs]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style></title><svg onload=alert(1)>",
        "' onmouseover='alert(1)",
        "&lt;b&gt;",
    ],
)
def test_hostile_text(hostile: str) -> None:
    """Markup from upstream is shown as the text it is."""
    bad = EndpointHealth("summary", up=False, error=hostile)
    account = AccountSnapshot(hostile, hostile, tried=True, endpoints=(bad,))
    page = _Text(_page(account, version=hostile, documentation=hostile))
    plain = _Text(
        _page(AccountSnapshot("p", "a", tried=True, endpoints=(NEVER,)), documentation="d")
    )
    assert page.tags == plain.tags
    assert page.text.count(hostile) == 4


def test_text_that_is_no_text() -> None:
    """Half a surrogate pair, which JSON can carry, does not break the page."""
    bad = EndpointHealth("summary", up=False, error="half \ud800 pair")
    page = _page(AccountSnapshot("p", "a", tried=True, endpoints=(bad,)))
    assert "half ? pair" in page.encode().decode()


def test_long_error_is_cut() -> None:
    """A vendor cannot flood the page with an error."""
    bad = EndpointHealth("summary", up=False, error="x" * 100_000)
    page = _page(AccountSnapshot("p", "a", tried=True, endpoints=(bad,)))
    assert len(re.findall("x{100,}…", page)) == 1
    assert len(page) < 20_000


def test_states() -> None:
    """The state tells a first poll under way from failures, and old numbers from none."""
    assert _account(tried=False) == "starting"
    assert _account(UP) == "up"
    assert _account(UP, EXTRA) == "partly"
    assert _account(DOWN, EXTRA) == "down"
    assert _account(DOWN, usage=Usage()) == "stale"
    assert _account(NEVER, usage=Usage()) == "down"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s ago"),
        (0.4, "0 s ago"),
        (59, "59 s ago"),
        (90, "1 min ago"),
        (3599, "59 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 d ago"),
    ],
)
def test_age(seconds: float, shown: str) -> None:
    """Ages are whole units that have passed; a clock that went back shows none."""
    assert age(seconds) == shown


def test_page_loads_nothing() -> None:
    """The page is complete in itself: no script, no address to load from."""
    page = _page(AccountSnapshot("p", "a"))
    assert not {"script", "link", "img", "iframe"} & set(_Text(page).tags)
    assert "url(" not in page
    assert "@import" not in page


def test_not_found_page() -> None:
    """The page for unknown addresses leads to the start."""
    assert _Text(not_found_page()).links == ["/"]
