"""API keys as a type that never shows itself. A leaf."""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MASK = "***"
_SHORTEST_PART = 8
"""Characters of a part of a secret that is masked by itself too: one of several cookies."""
_SHORTEST_BASE64 = 6
"""Characters of base64 below which a match may well be chance."""
_MOST_DECODINGS = 3
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_BASE64 = frozenset(string.ascii_letters.encode() + string.digits.encode() + b"+/")


class Secret:
    """A secret text. Prints, formats and pickles as nothing; `reveal()` is the only way to it."""

    __slots__ = ("__needles", "__value")

    def __init__(self, value: str) -> None:
        self.__value = value
        self.__needles: _Needles | None = None

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self.__value

    def mask(self, text: str) -> str:
        """The text with `***` for each echo of the secret.

        Found are the secret and the long parts of one that is made of several (cookies), plain, in
        base64 (standard or URL-safe, alone or within the base64 of a longer text), and either of
        them percent-encoded, as a whole or in part, up to three times over.
        """
        if not text or not self.__value:
            return text
        if self.__needles is None:
            self.__needles = _needles(self.__value)
        data = text.encode("utf-8", "surrogatepass")
        echoes = sorted(_echoes(data, self.__needles))
        if not echoes:
            return text
        shown, end = bytearray(), 0
        for start, stop in echoes:
            if start >= end:
                shown += data[end:start] + MASK.encode()
            end = max(end, stop)
        return (shown + data[end:]).decode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return MASK

    def __reduce__(self) -> str:
        raise TypeError("a secret cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(self.__value)


class _Needles(NamedTuple):
    """What is looked for."""

    plain: tuple[bytes, ...]
    base64: tuple[bytes, ...]


def _needles(value: str) -> _Needles:
    parts = (part for part in re.split(r"[\s;,=]+", value) if len(part) >= _SHORTEST_PART)
    plain = tuple(part.encode("utf-8", "surrogatepass") for part in dict.fromkeys((value, *parts)))
    return _Needles(plain, tuple(core for part in plain for core in _base64_cores(part)))


def _base64_cores(part: bytes) -> Iterator[bytes]:
    """The base64 characters that `part` alone decides, for each place of it in a longer text."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + part)
        core = encoded[-(-before * 4 // 3) : (before + len(part)) * 4 // 3]
        if len(core) >= _SHORTEST_BASE64:
            yield core


def _echoes(data: bytes, needles: _Needles) -> Iterator[tuple[int, int]]:
    """Where in `data` the needles begin and end, also behind percent-encoding."""
    places: Sequence[int] = range(len(data) + 1)  # of each decoded byte in `data`
    for _ in range(_MOST_DECODINGS + 1):
        for needle in needles.plain:
            for start in _found(needle, data):
                yield places[start], places[start + len(needle)]
        standard = data.translate(_STANDARD)
        for needle in needles.base64:
            for start in _found(needle, standard):
                first, end = start, start + len(needle)
                # The characters at both ends hold some bits of the secret too.
                first -= first > 0 and standard[first - 1] in _BASE64
                end += end < len(standard) and standard[end] in _BASE64
                yield places[first], places[end]
        if not _ESCAPE.search(data):
            return
        data, places = _decoded(data, places)


def _found(needle: bytes, data: bytes) -> Iterator[int]:
    at = data.find(needle)
    while at >= 0:
        yield at
        at = data.find(needle, at + 1)


def _decoded(data: bytes, places: Sequence[int]) -> tuple[bytes, Sequence[int]]:
    """Undoes percent-encoding once."""
    decoded, kept, end = bytearray(), list[int](), 0
    for escape in _ESCAPE.finditer(data):
        decoded += data[end : escape.start()] + bytes([int(escape[0][1:], 16)])
        kept += places[end : escape.start() + 1]
        end = escape.end()
    return bytes(decoded + data[end:]), [*kept, *places[end:]]
