from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.exposition.crc import Checksum


def of(text: bytes) -> Checksum:
    """The checksum of a text."""
    return Checksum.of(len(text), zlib.crc32(text))


@given(st.lists(st.binary()))
def test_checksums_are_joined_as_their_texts_are(texts: list[bytes]) -> None:
    """Whatever their number and lengths; and what is joined can be joined again."""
    whole = b"".join(texts)
    joined = Checksum.joined(map(of, texts))
    assert (joined.size, joined.value) == (len(whole), zlib.crc32(whole))
    assert Checksum.joined((joined, of(b"more"))) == of(whole + b"more")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**36))
def test_long_texts_too(first: int, second: int, size: int) -> None:
    """A part may be longer than any test would write: joined in two steps it comes out alike."""
    one, two = Checksum.of(5, first), Checksum.of(size, second)
    three = Checksum.of(7, first)
    in_turn = Checksum.joined((Checksum.joined((one, two)), three))
    assert in_turn == Checksum.joined((one, Checksum.joined((two, three))))
    assert in_turn.value == Checksum.joined((one, two, three)).value
