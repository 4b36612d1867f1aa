"""Rounded trend points made to add up to an exact total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

_NOISE = 1e-9
"""Relative difference that is float noise."""


def spread(
    points: Sequence[float], total: float, rounding: float, busy: Sequence[int]
) -> list[float] | None:
    """The usage of each bucket, adding up to `total`; None when the points do not explain it.

    A point (nan where there is none) may be off by `rounding`; what is left between their sum
    and the total is shared evenly by those that it can belong to: buckets with usage of the
    quantity, else `busy` ones (by index), else all.
    """
    shares = [point if point == point else 0.0 for point in points]  # noqa: PLR0124 - nan
    found = math.fsum(shares)
    rest = total - found
    allowed = rounding * (len(points) + 2)  # both ends of the total may be rounded, too
    if abs(rest) > allowed + _NOISE * total or (total and all(map(math.isnan, points))):
        return None
    used = [index for index, share in enumerate(shares) if share]
    if rest < 0 and -rest > rounding * len(used):
        return [share * (total / found) for share in shares]
    places: Sequence[int] = range(len(points))
    for chosen in (used, busy):
        if chosen and abs(rest) <= rounding * len(chosen) * (1 + _NOISE):
            places = chosen
            break
    for index in places:
        shares[index] = max(shares[index] + rest / len(places), 0.0)
    return shares


def divide(total: float, weights: Sequence[float]) -> list[float] | None:
    """`total` in proportion to the weights; None when they are all 0."""
    whole = math.fsum(weights)
    if not whole:
        return None if total else [0.0] * len(weights)
    factor = total / whole
    return [weight * factor for weight in weights]


def climb(start: float, end: float, shares: Sequence[float]) -> list[float]:
    """The running total after each share: never falling, and exactly `end` after the last."""
    totals = list(accumulate(shares, initial=start))[1:]
    totals[-1] = end
    return [min(end, value) for value in totals]
