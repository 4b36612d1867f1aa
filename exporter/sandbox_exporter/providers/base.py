"""What the poller needs of a vendor. A provider turns the vendor's JSON into the model, no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sandbox_exporter.billing import Window
from sandbox_exporter.model import Readings, Template


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account-level question, asked once a poll."""

    name: str
    """The `endpoint` label."""
    fetch: Callable[[Window], Awaitable[Readings]]
    """Answers in the model; raises `UpstreamError`."""
    every: float = 0.0
    """Seconds for which an answer stays good; 0 asks at each poll."""
    optional: bool = False
    """A deployment may lack it: 404, 405 and 501 then mean unsupported, tried again hourly."""


class TemplateSource(Protocol):
    """A vendor that breaks usage down by template."""

    page_size: int
    """Templates that one call of `list` brings."""

    async def list(self) -> Sequence[Template]:
        """Every template the key may see, without duplicates; raises `UpstreamError`."""
        ...

    async def usage(self, template_id: str, window: Window) -> Readings:
        """One template's usage of a window; raises `UpstreamError`."""
        ...


class Provider(Protocol):
    """A vendor account.

    Wide enough for the vendors known so far: period-to-date totals that reset (SeaCloud, Modal),
    lifetime totals (Dreadnode, Runloop) and levels (LangSmith, E2B) are kinds of the model's
    fields; pagination and authentication stay inside the provider.
    """

    name: str
    """The `provider` label."""
    endpoints: Sequence[Endpoint]
    """The first one carries the account's totals, the rest add to it."""
    templates: TemplateSource | None
