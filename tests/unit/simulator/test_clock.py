from __future__ import annotations

from sandbox_exporter.simulator import SimulatedClock


class Wall:
    """Real time, as the test wants it."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_is_wall_time_at_first() -> None:
    """Nobody needs to set the clock."""
    wall = Wall()
    clock = SimulatedClock(wall)
    wall.time += 5.25
    assert (clock.now(), clock.now_ms, clock.offset, clock.speed) == (1005.25, 1005250, 0, 1)


def test_speed_goes_on_from_the_present() -> None:
    """A change of speed is no jump."""
    wall = Wall()
    clock = SimulatedClock(wall)
    clock.set(speed=60)
    wall.time += 10
    assert clock.now() == 1600
    clock.set(speed=0)
    wall.time += 10
    assert clock.now() == 1600


def test_offset_and_absolute_time() -> None:
    """Offsets count from real time, `now` wins over them, and time goes on from there."""
    wall = Wall()
    clock = SimulatedClock(wall)
    clock.set(offset=-100)
    assert clock.now() == 900
    clock.set(now=5000, offset=7)
    wall.time += 1
    assert clock.now() == 5001
    assert clock.offset == 4000
