"""The time that the simulated vendors live in."""

from __future__ import annotations

import time
from collections.abc import Callable


class SimulatedClock:
    """Wall time, until it is shifted, set, slowed, stopped or sped up.

    `speed` is simulated seconds per real second; 0 stops the clock.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._real = self._simulated = source()
        self._speed = 1.0

    def now(self) -> float:
        """The simulated time, in Unix seconds."""
        return self._simulated + (self._source() - self._real) * self._speed

    @property
    def now_ms(self) -> int:
        """The simulated time in whole Unix milliseconds, the fleet's resolution."""
        return int(self.now() * 1000)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    @property
    def offset(self) -> float:
        """Simulated minus real time, in seconds."""
        return self.now() - self._source()

    def set(
        self,
        *,
        now: float | None = None,
        offset: float | None = None,
        speed: float | None = None,
    ) -> None:
        """Changes what is given and lets the rest go on from here.

        `now` is in Unix seconds, `offset` in seconds from real time; `now` wins over `offset`.
        """
        real = self._source()
        shifted = real + offset if offset is not None else self.now()
        self._simulated = now if now is not None else shifted
        self._real = real
        if speed is not None:
            self._speed = speed
