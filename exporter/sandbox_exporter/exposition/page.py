"""The bytes that scrapes are served, prepared in advance."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_STEP = 16384
"""Compressed bytes that become text at one go, so that scrapes are served in between."""
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Body:
    """One exposition format, compressed: scrapers ask for that, and the text is far longer."""

    gzip: bytes
    size: int
    """Bytes of the text."""

    def parts(self) -> Iterator[bytes]:
        """The text step by step, for the few who ask without compression."""
        reader = zlib.decompressobj(_GZIP)
        for start in range(0, len(self.gzip), _STEP):
            yield reader.decompress(self.gzip[start : start + _STEP])

    @property
    def plain(self) -> bytes:
        """The whole text."""
        return b"".join(self.parts())


@dataclass(frozen=True, slots=True)
class Page:
    """One publication in both formats. Swapped as a whole, never changed."""

    text: Body
    openmetrics: Body
    number: int = 0
    """Counts the publications."""
    taken: Mapping[str, float] = field(default_factory=dict)
    """When the snapshot of each account that it shows was taken, in monotonic seconds."""
    tried: frozenset[str] = frozenset()
    """Accounts whose first poll it shows, well ended or not."""
