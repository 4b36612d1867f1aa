from __future__ import annotations

import http.client
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter.exposition.page import OPENMETRICS, TEXT, Page

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
