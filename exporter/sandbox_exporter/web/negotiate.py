"""Which form of the metrics a scraper asked for, by its `Accept` and `Accept-Encoding` headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

_QUALITY = re.compile(r"(?:0(?:\.\d*)?|1(?:\.0*)?)")


class Format(Enum):
    """An exposition format that is served: media type and version."""

    TEXT = ("text/plain", "0.0.4")
    OPENMETRICS = ("application/openmetrics-text", "1.0.0")


@lru_cache(maxsize=256)
def choose(accept: bytes, accept_encoding: bytes) -> tuple[Format, bool]:
    """The format to serve, and whether compressed with gzip.

    OpenMetrics only when the scraper prefers it; text when it prefers text, does not care, or asks
    for nothing that is served here, because an answer in text serves it better than an error.
    """
    ranges = list(_parse(accept))
    openmetrics, text = _preference(Format.OPENMETRICS, ranges), _preference(Format.TEXT, ranges)
    wanted = Format.OPENMETRICS if openmetrics[0] > 0 and openmetrics > text else Format.TEXT
    return wanted, _takes_gzip(accept_encoding)


def _preference(
    served: Format, ranges: list[tuple[str, dict[str, str], float]]
) -> tuple[float, int]:
    """The quality and the precision of the most precise media range that covers a format."""
    media_type, version = served.value
    precisions = {"*/*": 1, media_type.partition("/")[0] + "/*": 2, media_type: 3}
    best = (0.0, 0)
    for name, parameters, quality in ranges:
        precision = precisions.get(name, 0)
        if "version" in parameters:
            precision = precision + 1 if parameters["version"] == version else 0
        if precision > best[1]:
            best = (quality, precision)
    return best


def _takes_gzip(accept_encoding: bytes) -> bool:
    qualities = {name: quality for name, _, quality in _parse(accept_encoding)}
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _parse(header: bytes) -> Iterator[tuple[str, dict[str, str], float]]:
    """The elements of a header: name, parameters and quality. Malformed elements are skipped."""
    for element in header.decode("latin-1").lower().split(","):
        name, *rest = (part.strip() for part in element.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        quality = parameters.pop("q", "1")
        if name and _QUALITY.fullmatch(quality):
            yield name, parameters, float(quality)
