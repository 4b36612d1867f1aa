from __future__ import annotations

import gzip
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.exposition.crc import Checksum
from sandbox_exporter.exposition.page import Body
from sandbox_exporter.exposition.pieces import Piece, member


def body(texts: list[str]) -> Body:
    """Texts as one body."""
    pieces = [Piece.of(text) for text in texts]
    whole = Checksum.joined(piece.checksum for piece in pieces)
    return member([piece.packed for piece in pieces], whole)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_pieces_are_one_gzip_member(texts: list[str]) -> None:
    """A reader that stops after the first member has read it all, and found the sums right."""
    made = body(texts)
    whole = "".join(texts).encode()
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(made.gzip) == whole
    assert reader.eof
    assert reader.unused_data == b""
    assert gzip.decompress(made.gzip) == whole
    assert (made.plain, made.size) == (whole, len(whole))


def test_other_programs_read_it(find_program: Callable[[str], str], tmp_path: Path) -> None:
    """The system's gzip checks both the sum and the length."""
    texts = [f"line {number} " * number for number in range(300)]
    file = tmp_path / "page.gz"
    file.write_bytes(body(texts).gzip)
    unpacked = subprocess.check_output([find_program("gzip"), "-dc", str(file)])
    assert unpacked.decode() == "".join(texts)


def test_the_text_comes_in_steps() -> None:
    """A page that is asked for without compression does not hold up the scrapes beside it."""
    made = body([f"{number * 7919 % 10007} and so on\n" * 3 for number in range(50_000)])
    parts = list(made.parts())
    assert max(map(len, parts)) < made.size / 10
    assert sum(map(len, parts)) == made.size


def test_a_text_that_is_the_same_is_not_compressed_again() -> None:
    """It keeps its piece."""
    piece = Piece.of("text " * 100)
    assert Piece.of("text " * 100, piece) is piece
    assert Piece.of("other " * 100, piece) is not piece
