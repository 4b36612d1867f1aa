from __future__ import annotations

import pytest

from sandbox_exporter.poll.budget import Budget


def steady(limit: int, interval: float) -> Budget:
    """The budget of an account of 5 own calls, in its tenth minute."""
    budget = Budget(limit, interval, own_calls=5)
    for poll in range(int(600 / interval)):
        budget.polled(poll * interval)
    return budget


@pytest.mark.parametrize(("interval", "per_poll"), [(60.0, 110), (30.0, 52), (10.0, 14)])
def test_templates_get_what_the_polls_themselves_leave(interval: float, per_poll: int) -> None:
    """Of 120 requests a minute, each poll's own calls and those of one more are not theirs."""
    assert steady(120, interval).pace.calls == per_poll


@pytest.mark.parametrize("interval", [60.0, 30.0, 10.0])
def test_one_poll_out_of_turn_is_kept_free(interval: float) -> None:
    """What the polls of the last minute took comes back for those of the next."""
    assert steady(120, interval).reserve == 5


def test_the_first_poll_leaves_room_for_those_that_follow_within_the_minute() -> None:
    """Nothing has been taken yet that could come back for them."""
    budget = Budget(120, 10.0, own_calls=5)
    budget.polled(0.0)
    assert budget.reserve == 30


def test_a_small_limit_still_lets_templates_be_asked() -> None:
    """However small it is, the reserve never takes all that the account's own calls leave."""
    for limit in range(1, 20):
        budget = steady(limit, 60.0)
        assert budget.pace.calls >= 1
        assert limit - 5 <= 0 or budget.reserve < limit - 5
