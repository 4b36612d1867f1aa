from __future__ import annotations

import asyncio
import gzip
import http.client
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.exposition.page import OPENMETRICS, TEXT, Body, Page
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.snapshot import AccountSnapshot
from tests.unit.web.conftest import PAGE

if TYPE_CHECKING:
    from tests.unit.web.conftest import FakeExporter, Serve


@pytest.mark.parametrize(
    ("accept", "encoding", "name", "content_type"),
    [
        ("*/*", "identity", "text.plain", TEXT),
        ("*/*", "gzip", "text.gzip", TEXT),
        ("application/openmetrics-text", "identity", "openmetrics.plain", OPENMETRICS),
        ("application/openmetrics-text", "gzip", "openmetrics.gzip", OPENMETRICS),
    ],
)
def test_four_prepared_forms(
    serve: Serve, page: Page, accept: str, encoding: str, name: str, content_type: str
) -> None:
    """Each form is served byte for byte as it was prepared, and labelled for what it is."""
    form, _, compression = name.partition(".")
    with serve() as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        headers = {"Accept": accept, "Accept-Encoding": encoding}
        client.request("GET", "/metrics?any=query", headers=headers)
        answer = client.getresponse()
        body = answer.read()
        client.close()
    assert answer.status == 200
    assert body == getattr(getattr(page, form), compression)
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Encoding"] == ("gzip" if compression == "gzip" else None)
    assert answer.headers["Vary"] == "accept, accept-encoding"
    assert answer.headers["Server"] is None


def test_header_on_several_lines(serve: Serve) -> None:
    """An `Accept` header that comes in pieces counts as one."""
    lines = [
        ("Accept", "text/plain;q=0.1"),
        ("Accept", "application/openmetrics-text"),
        ("Accept-Encoding", "br"),
        ("Accept-Encoding", "gzip;q=0"),
    ]
    with serve() as server:
        answer = httpx.get(f"{server.url}/metrics", headers=lines)
    assert answer.headers["Content-Type"] == OPENMETRICS
    assert "Content-Encoding" not in answer.headers


def test_head(serve: Serve, page: Page) -> None:
    """HEAD tells the length of what GET would send, and sends nothing."""
    with serve() as server, httpx.Client(base_url=server.url) as client:
        answers = [
            client.head("/metrics", headers={"Accept-Encoding": "identity"}) for _ in range(2)
        ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["Content-Length"] == str(len(page.text.plain))
    assert answers[0].content == b""


def test_only_a_page_that_came_counts_as_scraped(
    serve: Serve, exporter: FakeExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A HEAD shows no numbers, and neither does a connection that breaks in the middle."""
    large = replace(PAGE, text=Body(gzip.compress(bytes(50_000_000)), 50_000_000))
    seen: list[Page] = []
    site = replace(exporter.site(), page=lambda: large, scraped=seen.append)
    with serve(site) as server:
        httpx.head(f"{server.url}/metrics")
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
        # The server is at work on the whole of this one after it has seen that one break.
        httpx.get(f"{server.url}/-/healthy")
        assert seen == []
        httpx.get(f"{server.url}/metrics", headers={"Accept-Encoding": "identity"})
        assert seen == [large]


@pytest.mark.parametrize("options", [[], ["--compressed"]])
def test_curl_reads_the_page(
    serve: Serve, exporter: FakeExporter, find_program: Callable[[str], str], options: list[str]
) -> None:
    """Compressed, it is one gzip member of many pieces; without that, it comes as text."""
    publisher = Publisher(SelfMetrics())
    publisher.restart(AccountSnapshot("seacloud", f"a{number}", tried=True) for number in range(99))
    asyncio.run(publisher.render())
    page = publisher.page
    with serve(replace(exporter.site(), page=lambda: page)) as server:
        command = [find_program("curl"), "--silent", "--show-error", *options]
        got = subprocess.check_output([*command, f"{server.url}/metrics"])
    assert got == page.text.plain
    assert got.count(b"sandbox_up{") == 99


def test_other_methods(serve: Serve) -> None:
    """Metrics can only be read."""
    with serve() as server:
        answer = httpx.post(f"{server.url}/metrics", content=b"x")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_thousand_scrapes(serve: Serve, exporter: FakeExporter) -> None:
    """A scrape takes the newest page and counts itself, and causes nothing else at all."""
    with serve() as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        for _ in range(1000):
            client.request("GET", "/metrics")
            client.getresponse().read()
        client.close()
    assert Counter(exporter.calls) == {"page": 1000, "scraped": 1000}
