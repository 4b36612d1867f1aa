"""The bytes that scrapes are served, prepared in advance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Body:
    """One exposition format, plain and compressed."""

    parts: tuple[bytes, ...]
    """The text piece by piece: to join the pieces would take as much memory again."""
    gzip: bytes

    @property
    def plain(self) -> bytes:
        """The whole text, joined for the few who ask without compression."""
        return b"".join(self.parts)


@dataclass(frozen=True, slots=True)
class Page:
    """One publication in both formats. Swapped as a whole, never changed."""

    text: Body
    openmetrics: Body
    number: int = 0
    """Counts the publications."""
    taken: Mapping[str, float] = field(default_factory=dict)
    """When the snapshot of each account that it shows was taken, in monotonic seconds."""
