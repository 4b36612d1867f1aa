from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.client import body
from sandbox_exporter.errors import Reason, UpstreamError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=10,
)


def deflate_without_header(data: bytes) -> bytes:
    """Compresses as some servers do in the name of deflate."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


@given(JSON, st.booleans())
def test_what_json_can_say_is_read_as_it_is(value: object, ascii_only: bool) -> None:
    """Every JSON value comes through, escaped or in UTF-8."""
    assert body.parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_schema_error(data: bytes) -> None:
    """No answer can raise anything but the error that is counted."""
    try:
        body.parse(data)
    except UpstreamError as error:
        assert error.reason is Reason.SCHEMA


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the answer is empty, JSON was expected"),
        (b" \n", "the answer is empty, JSON was expected"),
        (b"<html>private</html>", "the answer is not JSON: Expecting value at character 0"),
        (b'{"a": 1', "the answer is not JSON: Expecting ',' delimiter at character 7"),
        (b'{"a": 1} x', "the answer is not JSON: Extra data at character 9"),
        (b'"\xff"', "the answer is not UTF-8: byte 1"),
        (b'{"a": NaN}', "the answer holds NaN, which is not JSON"),
        (b"[-Infinity]", "the answer holds -Infinity, which is not JSON"),
        (b'{"a": {"b": 1, "b": 2}}', "the answer repeats a key within an object"),
        (b'"\\uD83D"', "the answer holds text that is not valid Unicode"),
        (b"[" * 200_000, "the answer is nested too deeply"),
        (b"1" * 5000, "the answer holds a number that is too long"),
    ],
)
def test_a_bad_body_is_named_without_being_shown(data: bytes, message: str) -> None:
    """The error says what is wrong and where, and nothing of the content."""
    with pytest.raises(UpstreamError) as caught:
        body.parse(data)
    assert (caught.value.reason, str(caught.value)) == (Reason.SCHEMA, message)


def test_paired_surrogates_are_text() -> None:
    """A character that JSON escapes in two halves is read as one."""
    assert body.parse(b'"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("", bytes),
        ("identity", bytes),
        ("GZIP ", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", deflate_without_header),
    ],
)
def test_the_encodings_that_are_asked_for_are_undone(encoding: str, compress: object) -> None:
    """Compressed answers read like plain ones, deflate in both of its forms."""
    assert callable(compress)
    assert body.decompress(compress(b"{}" * 100), encoding) == b"{}" * 100


@pytest.mark.parametrize(
    ("raw", "encoding", "message"),
    [
        (b"{}", "br", "the answer has a content encoding that was not asked for"),
        (b"{}", "gzip, gzip", "the answer has a content encoding that was not asked for"),
        (b"{}", "gzip", "the answer is not valid gzip"),
        (b"", "gzip", "the answer is not valid gzip"),
        (gzip.compress(b"{}" * 100, mtime=0)[:-4], "gzip", "the answer is not valid gzip"),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip", "the answer is not valid gzip"),
        (b"{}", "deflate", "the answer is not valid deflate"),
    ],
)
def test_a_bad_encoding_is_a_schema_error(raw: bytes, encoding: str, message: str) -> None:
    """What cannot be unpacked, or was cut while packed, is refused."""
    with pytest.raises(UpstreamError) as caught:
        body.decompress(raw, encoding)
    assert (caught.value.reason, str(caught.value)) == (Reason.SCHEMA, message)


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_bomb_is_refused_before_it_unfolds(encoding: str, wbits: int) -> None:
    """A small answer that would fill memory is too large, in every encoding."""
    deflate = zlib.compressobj(9, wbits=wbits)
    bomb = b"".join(deflate.compress(bytes(2**20)) for _ in range(17)) + deflate.flush()
    assert len(bomb) < 2**15
    with pytest.raises(UpstreamError) as caught:
        body.decompress(bomb, encoding)
    assert caught.value.reason is Reason.TOO_LARGE
    assert str(caught.value) == "the answer is larger than 16 MiB"


@pytest.mark.anyio
async def test_reading_stops_at_the_bound() -> None:
    """An answer without an end is given up at 16 MiB."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 2**20
            yield bytes(2**20)

    with pytest.raises(UpstreamError) as caught:
        await body.read(httpx.Response(200, content=endless()))
    assert caught.value.reason is Reason.TOO_LARGE
    assert sent == 17 * 2**20


@pytest.mark.parametrize("part", [b"[],", b"{},", b"0.5,", b'{"a":0},', b'"",', b"[[[]]],"])
def test_more_values_than_any_answer_has_are_refused_unread(part: bytes) -> None:
    """What is within the bound on bytes must not take seconds and hundreds of megabytes to read."""
    data = b"[" + part * (body.MAX_VALUES + 1) + part[:-1] + b"]"
    assert len(data) < body.MAX_BYTES
    with pytest.raises(UpstreamError) as caught:
        body.parse(data)
    assert caught.value.reason is Reason.TOO_LARGE
    assert str(caught.value) == "the answer has more than 200,000 values"


def test_ten_thousand_templates_in_one_answer_are_read() -> None:
    """A server that knows no pages may send all it has at once."""
    template = {
        "templateID": "tpl-custom-0123456789abcdef",
        "names": ["team/name"],
        "aliases": ["name"],
        "type": "custom",
        "version": "v0.1.0",
        "cpuCount": 2,
        "memoryMB": 2048,
        "diskSizeMB": 10240,
        "public": False,
        "spawnCount": 7,
        "extensions": {},
        "lastSpawnedAt": "2026-11-01T00:00:00Z",
    }
    assert len(cast(list[object], body.parse(json.dumps([template] * 10_000).encode()))) == 10_000
