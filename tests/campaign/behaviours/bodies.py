"""Bodies that are no JSON, or JSON made to hurt: bombs, depth, ambiguity, wrong encodings."""

from __future__ import annotations

import functools
import gzip
import zlib
from collections.abc import Callable
from random import Random

from tests.campaign.behaviours.model import (
    TEMPLATES,
    Call,
    Draft,
    Family,
    Outcome,
    Reply,
    refused,
)
from tests.campaign.wire import encode, whole

_MIB = 2**20
_LARGEST = 16 * _MIB
"""The exporter's bound on an answer."""


def _not_json(random: Random, route: str) -> Draft:
    bodies: dict[str, Callable[[bytes], bytes]] = {
        "nothing": lambda good: b"",
        "white space": lambda good: b" \r\n\t" * 100,
        "HTML": lambda good: b"<!doctype html><title>Welcome</title>",
        "half": lambda good: good[: len(good) // 2],
        "twice": lambda good: good + good,
        "JSON and more": lambda good: good + b" trailing",
        "byte order mark": lambda good: b"\xef\xbb\xbf" + good,
        "UTF-16": lambda good: good.decode().encode("utf-16"),
        "no UTF-8": lambda good: good[:-1] + b', "x": "\xff\xfe"}',
        "NUL bytes": lambda good: good.replace(b" ", b"\0"),
        "NaN": lambda good: good[:-1] + b', "x": NaN}',
        "Infinity": lambda good: good[:-1] + b', "x": -Infinity}',
        "comments": lambda good: b"/* */" + good,
        "single quotes": lambda good: good.replace(b'"', b"'"),
        "random bytes": lambda good: random_bytes,
        "lone surrogate": lambda good: good[:-1] + b', "x": "\\ud800"}',
        "a number of 5,000 digits": lambda good: good[:-1] + b', "x": ' + b"9" * 5000 + b"}",
    }
    random_bytes = random.randbytes(random.randint(1, 500))
    name = random.choice(tuple(bodies))
    return Draft(name, lambda call: refused(whole(bodies[name](_text(call)))))


def _text(call: Call) -> bytes:
    """The honest answer, as an object whatever the route."""
    good = call.good if isinstance(call.good, dict) else {"templates": call.good}
    return encode(good)


def _repeated_key(random: Random, route: str) -> Draft:
    def repeat(call: Call) -> Reply:
        text = _text(call)
        first = text[1:].split(b":")[0]
        return refused(whole(text[:-1] + b", " + first + b": 1}"))

    return Draft("a key twice", repeat)


def _deep(random: Random, route: str) -> Draft:
    depth = random.choice((1_000, 10_000, 1_000_000))
    opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"templates":[', b"]}")))
    body = random.choice(("whole", "open"))
    middle = b"1" + closing * depth if body == "whole" else b""
    return Draft(
        f"{depth:,} times {opening.decode()}, {body}",
        lambda call: refused(whole((opening * depth + middle)[: 15 * _MIB])),
        _unless_listing(route),
        frozenset({"schema", "too_large"}),
    )


def _unless_listing(route: str) -> Outcome:
    """An array of nonsense is a listing whose every item is left out."""
    return Outcome.EITHER if route == TEMPLATES else Outcome.REFUSED


@functools.lru_cache(maxsize=8)
def _bomb_bytes(coding: str, size: int) -> bytes:
    if coding == "gzip":
        return gzip.compress(b" " * size, 9)
    return zlib.compress(b"0" * size, 9)


def _bomb(random: Random, route: str) -> Draft:
    coding = random.choice(("gzip", "deflate"))
    size = random.choice((17, 64, 200)) * _MIB
    return Draft(
        f"{coding} of {size // _MIB} MiB",
        lambda call: refused(whole(_bomb_bytes(coding, size), 200, [("Content-Encoding", coding)])),
        reasons=frozenset({"too_large"}),
    )


@functools.lru_cache(maxsize=8)
def _heavy_bytes(part: bytes, packed: bool) -> bytes:
    count = (_LARGEST - 100) // len(part)
    body = b"[" + part * count + part.rstrip(b",") + b"]"
    return gzip.compress(body, 1) if packed else body


def _heavy(random: Random, route: str) -> Draft:
    """Valid JSON just within the bound, which takes many times its size in memory."""
    part = random.choice((b"[],", b"{},", b"0.5,", b'{"a":0},', b'"",', b"[[[]]],"))
    packed = random.random() < 0.7
    headers = [("Content-Encoding", "gzip")] if packed else []
    return Draft(
        f"15 MiB of {part.decode()}{' packed' if packed else ''}",
        lambda call: refused(whole(_heavy_bytes(part, packed), 200, headers)),
        reasons=frozenset({"too_large"}),
    )


def _too_large(random: Random, route: str) -> Draft:
    return Draft(
        "17 MiB told by the length",
        lambda call: refused(whole(_bomb_plain())),
        reasons=frozenset({"too_large"}),
    )


@functools.cache
def _bomb_plain() -> bytes:
    return b" " * (17 * _MIB)


def _encoding_lie(random: Random, route: str) -> Draft:
    def packed(coding: str, body: Callable[[bytes], bytes]) -> Callable[[Call], Reply]:
        return lambda call: refused(
            whole(body(encode(call.good)), 200, [("Content-Encoding", coding)])
        )

    lies = {
        "gzip that is plain": packed("gzip", lambda good: good),
        "deflate that is plain": packed("deflate", lambda good: good),
        "br": packed("br", lambda good: good),
        "zstd": packed("zstd", lambda good: good),
        "a coding that nobody knows": packed("x" * 300, lambda good: good),
        "gzip cut short": packed("gzip", lambda good: gzip.compress(good)[:-9]),
        "gzip with a wrong sum": packed("gzip", lambda good: gzip.compress(good)[:-8] + b"\1" * 8),
        "gzip and more": packed("gzip", lambda good: gzip.compress(good) + b"more"),
        "gzip of gzip": packed("gzip, gzip", lambda good: gzip.compress(gzip.compress(good))),
        "gzip that is told as identity": packed("identity", gzip.compress),
    }
    name = random.choice(tuple(lies))
    return Draft(name, lies[name])


def _encoding(random: Random, route: str) -> Draft:
    codings: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
        "gzip": ("gzip", gzip.compress),
        "GZIP": (" GZIP ", gzip.compress),
        "x-gzip": ("x-gzip", gzip.compress),
        "deflate": ("deflate", zlib.compress),
        "raw deflate": ("deflate", lambda good: zlib.compress(good, wbits=-15)),
        "identity": ("identity", lambda good: good),
        "none": ("", lambda good: good),
    }
    name = random.choice(tuple(codings))
    coding, pack = codings[name]
    return Draft(
        f"the honest answer as {name}",
        lambda call: Reply(
            whole(pack(encode(call.good)), 200, [("Content-Encoding", coding)]), call.good
        ),
        Outcome.TAKEN,
    )


FAMILIES = (
    Family("no JSON", _not_json, weight=6),
    Family("repeated key", _repeated_key),
    Family("deep nesting", _deep, weight=2),
    Family("bomb", _bomb, weight=2),
    Family("heavy JSON", _heavy),
    Family("too large", _too_large),
    Family("false coding", _encoding_lie, weight=3),
    Family("coding", _encoding, weight=2),
)
