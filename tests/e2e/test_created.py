"""A month's turn and a new series on a Prometheus that takes `_created` for a counter's start."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from alerting.ranges import Counters
from tests.e2e import stores

Running = Any
COUNTER = "sandbox_template_cost_usd_total"
BY = "provider, account, template_id"
DAY = 86400
FEATURES = ("", "created-timestamp-zero-ingestion", "st-storage,use-start-timestamps")
"""Of Prometheus 3; none of them changes a number."""

SHOWN = [*range(1000, 1010), 1010, 1010, 0, 0, *range(1, 12)]
"""An old month's totals, its final one, the zero phase, and the new month's."""
NEW = 14
"""The page from which on a second template is there, which is born at 0."""


@dataclass
class Page:
    """Serves the next totals with each scrape, and the last ones from then on."""

    url: str = ""
    scraped: list[float] = field(default_factory=list)
    """When each page was served."""

    def text(self) -> str:
        """What the exporter's page would say."""
        self.scraped.append(time.time())
        shown = min(len(self.scraped), len(SHOWN)) - 1
        turned = self.scraped[min(10, shown)] if shown >= SHOWN.index(0) else 0.0
        created = turned or self.scraped[0] - 20 * DAY
        lines = [f"# TYPE {COUNTER.removesuffix('_total')} counter"]
        for template, value in (("old", SHOWN[shown]), ("new", max(0, shown - NEW))):
            if template == "new" and shown < NEW:
                continue
            labels = f'{{provider="seacloud",account="prod",template_id="{template}"}}'
            lines += [f"{COUNTER}{labels} {value}"]
            lines += [f"{COUNTER.removesuffix('_total')}_created{labels} {created:.3f}"]
        return "\n".join([*lines, "# EOF", ""])


@pytest.fixture
def page() -> Iterator[Page]:
    """A served page."""
    shown = Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.text().encode()
            self.send_response(200)
            kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shown.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield shown
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("features", FEATURES)
def test_created_timestamps_count_nothing_twice(
    features: str,
    page: Page,
    start: Callable[..., Running],
    find_program: Callable[[str], str],
    eventually: Callable[[Callable[[], bool], str], None],
    tmp_path: Path,
) -> None:
    """The turn counts the rest of the old month and the new one, a birth counts from its 0."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: sandbox-exporter\n"
        f"    static_configs: [{{targets: ['{page.url.removeprefix('http://')}']}}]\n"
    )
    flags = (f"--enable-feature={features}",) if features else ()
    server = stores.store("prometheus-3", find_program, tmp_path, flags).start(start, config)
    eventually(lambda: len(page.scraped) > len(SHOWN) + 3, "every page was scraped")

    end = page.scraped[-2]
    window = f"{round((end - page.scraped[2]) * 1000) - 500}ms"
    asked = {"query": Counters(COUNTER, BY).growth(window), "time": f"{end:.3f}"}
    answer = server.get("/api/v1/query", params=asked).json()["data"]["result"]
    found = {series["metric"]["template_id"]: float(series["value"][1]) for series in answer}
    # Of the old month 1,002 to 1,010, of the new one 1 to 11.
    assert found == {"old": 8 + 11, "new": 10}
