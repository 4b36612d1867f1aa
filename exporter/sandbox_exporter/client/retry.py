"""How long to wait before a call is tried again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

ATTEMPTS = 3
"""Attempts of one call in all, the first included."""
LONGEST_PAUSE = 900.0
"""Seconds: a vendor that asks for a longer pause is asked again after this."""
_LONGEST_ASKED = 1e10
_BASE = 0.5
_CAP = 8.0
_SECONDS = re.compile(r"[0-9]{1,40}(\.[0-9]{1,12})?")


class Pause(NamedTuple):
    """A pause that the vendor asked for."""

    asked: float
    """Seconds that the vendor named."""
    kept: float
    """Seconds for which there are no calls; fewer if the vendor asked for too many."""
    until: float
    """When calls go on, as a time of the client's clock."""

    def __str__(self) -> str:
        asked = f"the vendor asked for a pause of {self.asked:.0f} s"
        return f"{asked}, kept for {self.kept:.0f} s" if self.kept < self.asked else asked


def backoff(retries: int, random: Callable[[], float]) -> float:
    """Seconds before the next attempt after `retries` earlier ones: exponential, full jitter.

    `random` gives numbers in [0, 1).
    """
    return float(random() * min(_CAP, _BASE * 2**retries))


def retry_after(value: str, now: float) -> float | None:
    """Seconds that a `Retry-After` header asks to wait, 0 or more; None when it makes no sense.

    `value` is a number of seconds or an HTTP date, `now` the Unix time.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_ASKED)
    try:
        date = parsedate_to_datetime(text)
        # An HTTP date is always GMT, whether or not it says so.
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_ASKED)
