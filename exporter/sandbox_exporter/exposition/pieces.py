"""Compressed pieces of text that are joined to one gzip member.

Each piece is compressed by itself and ends on a byte, so that pieces can stand in any order, and
one that did not change is not compressed again. They make one member, and not one each, for some
readers stop after the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox_exporter.exposition.crc import Checksum
from sandbox_exporter.exposition.page import Body

_LEVEL = 1
"""Compression level: the lines are so alike that higher ones cost much and save little."""
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""A gzip member that is deflated, with no name and time, from an unknown system (RFC 1952)."""
_LAST_BLOCK = b"\x03\x00"
"""A deflate block that is empty and the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A text, compressed; empty at the start."""

    packed: bytes
    """Raw deflate blocks, none of them the last, that refer to nothing before them."""
    checksum: Checksum
    digest: int
    """Tells the text from others of this process."""

    @classmethod
    def of(cls, text: str, before: Piece | None = None) -> Piece:
        """The piece of a text; `before` itself when it is of the same text."""
        digest = hash(text)
        if before is not None and before.digest == digest:
            return before
        plain = text.encode()
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = compressor.compress(plain) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return cls(packed, Checksum.of(len(plain), zlib.crc32(plain)), digest)


def member(packed: Iterable[bytes], whole: Checksum) -> Body:
    """The pieces' compressed bytes as a body; `whole` is the checksum of their text."""
    size = (whole.size & 0xFFFFFFFF).to_bytes(4, "little")
    parts = (_HEAD, *packed, _LAST_BLOCK, whole.value.to_bytes(4, "little"), size)
    return Body(b"".join(parts), whole.size)
