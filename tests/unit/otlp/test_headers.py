from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.otlp.exporters import _session
from sandbox_exporter.otlp.headers import mask_headers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and the targets that it was asked for."""
    targets: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            targets.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", targets
        listening.shutdown()
        thread.join()


def test_values_of_headers_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries quote a header that they cannot send, as Python writes it."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret-token,x=1%0A2")
    text = "metadata was invalid: [('authorization', 'Bearer s3cret-token'), ('x', '1\\n2')]"
    assert mask_headers(text) == "metadata was invalid: [('authorization', '***'), ('x', '***')]"
    assert mask_headers("bad token s3cret-token") == "bad token ***"


def test_a_collector_on_this_machine_is_called_directly(
    server: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the environment names a proxy, which would see the headers."""
    url, targets = server
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    _session().post(f"{url}/v1/metrics", data=b"", timeout=10)
    assert targets == ["/v1/metrics"]
