"""A scrape of 10,000 templates beside nginx with the same bytes, and while polls publish."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.conftest import Running, Scraper, Start

TEMPLATES = 10_000
SERIES = 80_000
ROUNDS = 20
SCRAPES = 25
"""Scrapes of each server in each round."""
PACE = 0.02
"""Seconds between the starts of two scrapes while polls publish."""
BUSY_SCRAPES = 1000

_NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
{user}
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        default_type text/plain;
        gzip_static always;
    }}
}}
"""


def test_a_scrape_beside_nginx(
    program: Start,
    start: Start,
    scraper: Callable[[int], Scraper],
    find_program: Callable[[str], str],
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    """Scrapes bring the bytes that were prepared, as nginx brings a file of them."""
    ours = scraper(program("serve", "still", TEMPLATES).port)
    body = ours.scrape()[1]
    (tmp_path / "metrics.gz").write_bytes(body)
    nginx = _nginx(start, find_program("nginx"), free_port(), tmp_path)
    theirs = scraper(nginx.port)
    times: dict[Scraper, list[float]] = {ours: [], theirs: []}
    for _ in range(ROUNDS):
        for target, seconds in times.items():
            for _ in range(SCRAPES):
                took, got = target.scrape()
                seconds.append(took)
                assert got == body
    text = gzip.decompress(body)
    assert text.count(b"\nsandbox_template_") >= SERIES
    library = program("serve", "prometheus_client", TEMPLATES)
    slow = [_seconds_of(library) for _ in range(5)]
    own, reference = median(times[ours]), median(times[theirs])
    print(
        f"\nscrape of {text.count(b'{'):,} series, {len(text):,} bytes, {len(body):,} compressed:"
        f"\n  exporter          {own * 1e3:8.2f} ms median"
        f"\n  nginx             {reference * 1e3:8.2f} ms median: ratio {own / reference:.2f}"
        f"\n  prometheus_client {median(slow) * 1e3:8.2f} ms median: ratio {own / median(slow):.4f}"
    )


def test_scrapes_while_polls_publish(program: Start, scraper: Callable[[int], Scraper]) -> None:
    """Each scrape brings a whole page, whatever is polled and rendered meanwhile."""
    server = program("serve", "publishing", TEMPLATES)
    target = scraper(server.port)
    target.scrape()
    times: list[float] = []
    bodies: dict[int, bytes] = {}
    before, began = server.cpu_seconds(), time.perf_counter()
    for number in range(BUSY_SCRAPES):
        due = began + number * PACE
        time.sleep(max(0.0, due - time.perf_counter()))
        body = target.scrape()[1]
        # From when it was due: a scrape that another one held up waited too.
        times.append(time.perf_counter() - due)
        if number % 25 == 0:
            bodies[number] = body
    share = (server.cpu_seconds() - before) / (time.perf_counter() - began)
    counts = [gzip.decompress(body).count(b"\nsandbox_template_vcpu") for body in bodies.values()]
    assert set(counts) == {TEMPLATES}
    assert len(set(bodies.values())) > 1, "nothing was published meanwhile"
    cuts = quantiles(times, n=1000)
    print(
        f"\n{BUSY_SCRAPES} scrapes while polls publish {TEMPLATES:,} templates without a pause:"
        f"\n  median {median(times) * 1e3:.1f} ms, p99 {cuts[989] * 1e3:.1f} ms,"
        f" longest {max(times) * 1e3:.1f} ms"
        f"\n  the server had {share:.2f} of a CPU: on a machine with other work less than 1,"
        " and the figures tell of that work"
    )


def _seconds_of(library: Running) -> float:
    began = time.perf_counter()
    body = library.get("/metrics", "gzip")
    seconds = time.perf_counter() - began
    assert gzip.decompress(body).count(b"\nsandbox_template_") >= SERIES
    return seconds


def _nginx(start: Start, nginx: str, port: int, folder: Path) -> Running:
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, user=user))
    return start(nginx, "-p", str(folder), "-c", str(config), port=port)
