"""Answers as JSON, never larger in memory than a bound, and strictly read."""

from __future__ import annotations

import json
import re
import zlib
from typing import NoReturn, cast

import httpx

from sandbox_exporter.errors import Reason, UpstreamError

MAX_BYTES = 16 * 2**20
"""Bound on an answer, both as it is sent and after decompression."""
MAX_VALUES = 200_000
"""Bound on the values in an answer: ten thousand templates in one page have fewer.

Python's decoder takes up to 0.3 µs and 80 bytes for each and gives way to nothing meanwhile, so
that 16 MiB of `[[[]]],` would halt every account for seconds.
"""

# `zlib` window bits: 16 more than the maximum means gzip, negative a stream without a header.
_GZIP, _ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


async def read(response: httpx.Response) -> bytes:
    """The body as it was sent, still compressed; raises `UpstreamError` when it is too large.

    The response is left open.
    """
    parts: list[bytes] = []
    size = 0
    async for part in cast(httpx.AsyncByteStream, response.stream):
        size += len(part)
        if size > MAX_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def decompress(raw: bytes, encoding: str) -> bytes:
    """Undo a `Content-Encoding`; raises `UpstreamError` when that is impossible or too large."""
    match encoding.strip().lower():
        case "" | "identity":
            return raw
        case "gzip" | "x-gzip":
            windows: tuple[int, ...] = (_GZIP,)
        case "deflate":
            # Servers disagree on whether this encoding has a zlib header.
            windows = (_ZLIB, _RAW_DEFLATE)
        case _:
            raise _schema("the answer has a content encoding that was not asked for")
    for bits in windows:
        inflate = zlib.decompressobj(bits)
        try:
            # A `max_length` stops a bomb before it unfolds.
            data = inflate.decompress(raw, MAX_BYTES + 1)
        except zlib.error:
            continue
        if len(data) > MAX_BYTES:
            raise _too_large()
        if inflate.eof and not inflate.unused_data:
            return data
    raise _schema(f"the answer is not valid {encoding.strip().lower()}")


def parse(body: bytes) -> object:
    """JSON as Python objects.

    Raises `UpstreamError` for whatever could be read in two ways or break a reader later: text
    that is not UTF-8, `NaN` and `Infinity`, repeated keys, unpaired surrogates. The message names
    a position at most, never the content.
    """
    if not body.strip():
        raise _schema("the answer is empty, JSON was expected")
    if len(body) > MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise UpstreamError(Reason.TOO_LARGE, f"the answer has more than {MAX_VALUES:,} values")
    try:
        text = body.decode("utf-8")
        value = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise _schema(f"the answer is not UTF-8: byte {error.start}") from None
    except UnicodeEncodeError:
        raise _schema("the answer holds text that is not valid Unicode") from None
    except json.JSONDecodeError as error:
        raise _schema(f"the answer is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _schema("the answer is nested too deeply") from None
    except _AmbiguousError as error:
        raise _schema(str(error)) from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        raise _schema("the answer holds a number that is too long") from None
    return value


class _AmbiguousError(ValueError):
    """Something that Python's decoder lets pass and this one does not."""


def _constant(name: str) -> NoReturn:
    raise _AmbiguousError(f"the answer holds {name}, which is not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _AmbiguousError("the answer repeats a key within an object")
    return found


_DECODER = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_unique)


def _schema(message: str) -> UpstreamError:
    return UpstreamError(Reason.SCHEMA, message)


def _too_large() -> UpstreamError:
    return UpstreamError(Reason.TOO_LARGE, f"the answer is larger than {MAX_BYTES // 2**20} MiB")
