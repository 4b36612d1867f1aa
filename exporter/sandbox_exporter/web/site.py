"""What the server needs of the rest of the program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import time
from typing import Literal

from sandbox_exporter.exposition.page import Page
from sandbox_exporter.snapshot import Snapshot

MetricsFor = Literal["all", "loopback", "none"]
"""Who may read `/metrics`: everybody, only clients on this machine, or nobody."""


def _nothing(_page: Page) -> None:
    """Stands in where nobody counts the scrapes."""


@dataclass(frozen=True, slots=True)
class Site:
    """The sources of what is served. None of them may block or call upstream."""

    version: str
    page: Callable[[], Page]
    """The newest publication; asked once for each scrape."""
    snapshot: Callable[[], Snapshot]
    """The newest results, for readiness and the landing page."""
    reload: Callable[[], Awaitable[None]] | None = None
    """Reloads the configuration, raises `ConfigError` when it is refused; None forbids reloads."""
    scraped: Callable[[Page], None] = _nothing
    """Called with each page that a scrape got to its end."""
    metrics_for: MetricsFor = "all"
    documentation: str = ""
    """Address of the documentation; the landing page has no such link when it is empty."""
    now: Callable[[], float] = time
    """The clock for ages on the landing page, in Unix seconds."""
