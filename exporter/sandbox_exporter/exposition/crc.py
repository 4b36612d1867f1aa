"""The CRC-32 of a text from those of its parts, without a look at the text.

A CRC is the remainder of a polynomial over two elements, so the CRC of A and then B is the CRC of
A, multiplied by x for each bit of B, plus the CRC of B. Polynomials are integers in which each
coefficient has six bits: their ordinary product then counts the terms of each power (32 at most)
side by side, and the lowest bit of a count is the coefficient. So one multiplication of large
integers, which Python does in C, takes the place of a loop over 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_SLOT = 6
_WORD = 32 * _SLOT
"""Bits of a remainder."""


def _spread(bits: str) -> int:
    """A polynomial from its coefficients, the highest power first."""
    return int("0".join(bits), 8)


_ODD = _spread("1" * 64)
_REMAINDER = (1 << _WORD) - 1
_DIVISOR = _spread(f"{0x104C11DB7:b}")
"""The polynomial of gzip's CRC."""


def _reciprocal() -> int:
    """x^64 divided by the divisor, by long division."""
    rest, quotient = 1 << (64 * _SLOT), 0
    for power in range(32, -1, -1):
        if rest >> ((power + 32) * _SLOT) & 1:
            quotient |= 1 << (power * _SLOT)
            rest ^= _DIVISOR << (power * _SLOT)
    return quotient


_RECIPROCAL = _reciprocal()


def _multiply(a: int, b: int) -> int:
    """The product of two remainders, as a remainder (Barrett's division)."""
    product = a * b & _ODD
    quotient = ((product >> _WORD) * _RECIPROCAL & _ODD) >> _WORD
    return (product ^ (quotient * _DIVISOR & _ODD)) & _REMAINDER


class Checksum(NamedTuple):
    """The CRC of a text of a known length, to be joined to others."""

    size: int
    """Bytes of the text."""
    crc: int
    """As a polynomial."""
    shift: int
    """By what the CRC of a text before this one is multiplied."""

    @classmethod
    def of(cls, size: int, crc: int) -> Checksum:
        """From a CRC-32 as `zlib` tells it, whose highest bit is the coefficient of x^0."""
        return cls(size, _spread(f"{crc:032b}"[::-1]), _shift(size))

    @classmethod
    def joined(cls, parts: Iterable[Checksum]) -> Checksum:
        """That of texts one after the other."""
        size = crc = 0
        for part in parts:
            size += part.size
            crc = _multiply(crc, part.shift) ^ part.crc
        return cls(size, crc, _shift(size))

    @property
    def value(self) -> int:
        """The CRC-32 as `zlib` tells it."""
        return int(f"{self.crc:063o}"[::2][::-1], 2)


def _shift(size: int) -> int:
    """x^(8 × size), as a remainder."""
    shift = 1
    for place, bit in enumerate(reversed(f"{size:b}")):
        if bit == "1":
            shift = _multiply(shift, _POWERS[place])
    return shift


def _powers() -> list[int]:
    """x^8, and each time the square of the one before: for sizes below 2^40."""
    powers = [1 << (8 * _SLOT)]
    while len(powers) < 40:
        powers.append(_multiply(powers[-1], powers[-1]))
    return powers


_POWERS = _powers()
