from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.simulator.sessions import MS_PER_DAY
from sandbox_exporter.vendors.dreadnode.simulator import OPENED_MS, Organization

ORGANIZATION = Organization(1, "research")
instants = st.integers(OPENED_MS - MS_PER_DAY, OPENED_MS + 100 * MS_PER_DAY)


@given(instants, instants)
def test_lifetime_totals_never_fall(one: int, other: int) -> None:
    """And they grow by exactly the usage between."""
    earlier, later = sorted((one, other))
    grown = ORGANIZATION.lifetime_ms(later) - ORGANIZATION.lifetime_ms(earlier)
    assert grown == ORGANIZATION.runtime_ms(earlier, later) >= 0
    assert ORGANIZATION.sessions(later) >= ORGANIZATION.sessions(earlier)


def test_nothing_before_the_opening_and_something_after() -> None:
    """A lifetime has a beginning."""
    assert ORGANIZATION.lifetime_ms(OPENED_MS) == ORGANIZATION.sessions(OPENED_MS - 1) == 0
    assert ORGANIZATION.lifetime_ms(OPENED_MS + 10 * MS_PER_DAY) > 0
    assert ORGANIZATION.sessions(OPENED_MS + 10 * MS_PER_DAY) > 100
