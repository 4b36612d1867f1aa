from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.simulator.fleet import Fleet, Level
from sandbox_exporter.simulator.history import OPENED_MS, Burst, History
from sandbox_exporter.simulator.sessions import MS_PER_DAY, make_day
from sandbox_exporter.simulator.templates import Template
from sandbox_exporter.simulator.usage import MS_PER_HOUR, Usage

NOON = OPENED_MS + 100 * MS_PER_DAY + MS_PER_DAY // 2
SHARED = Fleet(seed=1, account="prod", templates=6)
BUSY = SHARED.busy[0].template
instants = st.integers(NOON - 3 * MS_PER_DAY, NOON + 3 * MS_PER_DAY)


def test_same_seed_account_and_time_give_the_same_usage() -> None:
    """The fleet is a pure function; another seed or account is another fleet."""
    window = (NOON - MS_PER_DAY, NOON)
    first, again = Fleet(7, "prod", 6), Fleet(7, "prod", 6)
    assert first.usage(*window) == again.usage(*window) != Usage()
    assert Fleet(8, "prod", 6).usage(*window) != first.usage(*window)
    assert Fleet(7, "dev", 6).usage(*window) != first.usage(*window)


@given(st.lists(instants, min_size=3, max_size=3))
def test_windows_add_up_exactly(moments: list[int]) -> None:
    """A window is the sum of its parts, to the last ms, across midnights."""
    start, middle, end = sorted(moments)
    parts = SHARED.usage(start, middle) + SHARED.usage(middle, end)
    assert parts == SHARED.usage(start, end)


@given(instants, instants)
def test_templates_add_up_to_the_account(one: int, other: int) -> None:
    """The account is nothing but its templates."""
    start, end = sorted((one, other))
    parts = [SHARED.usage(start, end, h.template.id) for h in SHARED.listed(end)]
    assert sum(parts, Usage()) == SHARED.usage(start, end)


@given(instants)
def test_levels_are_the_slope_of_usage(at: int) -> None:
    """Within one ms usage grows by what is running and paused."""
    step = SHARED.usage(at, at + 1)
    assert step.runtime_ms == SHARED.running(at)
    assert step.storage_mib_ms == SHARED.paused_mib(at)


@given(instants, st.integers(1, 50), st.sampled_from(Level))
def test_areas_agree_with_usage(start: int, buckets: int, level: Level) -> None:
    """Trends see the same fleet as totals do."""
    edges = [start + 60_000 * index for index in range(buckets + 1)]
    usage = SHARED.usage(edges[0], edges[-1])
    expected = {
        Level.VCPUS: usage.vcpu_ms,
        Level.MEMORY_MIB: usage.memory_mib_ms,
        Level.SANDBOXES: usage.runtime_ms,
        Level.TRANSFER_BYTES: usage.transfer_bytes_ms,
        Level.PAUSED_MIB: usage.storage_mib_ms,
    }
    assert sum(SHARED.areas(level, edges)) == expected[level]


def test_usage_has_the_shape_of_real_life() -> None:
    """Nights and weekends are quieter, sandboxes are paused, data flows, some templates idle."""
    fleet = Fleet(1, "prod", 12)
    assert len(fleet.busy) == 9
    wednesday = 1_767_744_000_000
    day = fleet.usage(wednesday, wednesday + MS_PER_DAY)
    assert day.storage_gb_hours > 0
    assert day.data_transfer_gb > 0
    assert 1 < day.cost_usd < 50
    weeks = range(8)
    workdays = sum(
        fleet.usage(at, at + MS_PER_DAY).runtime_ms
        for week in weeks
        for at in [wednesday + week * 7 * MS_PER_DAY]
    )
    sundays = sum(
        fleet.usage(at, at + MS_PER_DAY).runtime_ms
        for week in weeks
        for at in [wednesday + (week * 7 + 4) * MS_PER_DAY]
    )
    assert sundays < 0.7 * workdays
    nights = sum(
        fleet.usage(at, at + 6 * MS_PER_HOUR).runtime_ms
        for week in weeks
        for at in [wednesday + week * 7 * MS_PER_DAY]
    )
    assert nights < 0.2 * workdays


def test_sessions_cross_midnight() -> None:
    """What began yesterday still runs just after midnight, on some day of a month at least."""
    midnights = range(NOON - MS_PER_DAY // 2, NOON + 30 * MS_PER_DAY, MS_PER_DAY)
    assert any(SHARED.running(midnight) for midnight in midnights)


def test_nothing_happened_before_the_accounts_were_opened() -> None:
    """A window from 1970 costs no more than one from the opening."""
    assert SHARED.usage(0, OPENED_MS) == Usage()
    assert SHARED.usage(0, OPENED_MS + MS_PER_DAY) == SHARED.usage(
        OPENED_MS, OPENED_MS + MS_PER_DAY
    )


def test_a_template_that_appears_is_born_with_no_usage() -> None:
    """Its first session begins when it is there; others do not notice it."""
    fleet = Fleet(1, "prod", 4)
    before = fleet.usage(NOON - MS_PER_DAY, NOON + MS_PER_DAY)
    fleet.add(Template(id="tpl-new", name="new", sessions_per_day=200), NOON)
    assert "tpl-new" not in [h.template.id for h in fleet.listed(NOON - 1)]
    assert "tpl-new" in [h.template.id for h in fleet.listed(NOON)]
    assert fleet.usage(NOON - MS_PER_DAY, NOON, "tpl-new") == Usage()
    born = fleet.usage(NOON, NOON + MS_PER_DAY, "tpl-new")
    assert born.runtime_ms > 0
    assert fleet.usage(NOON - MS_PER_DAY, NOON + MS_PER_DAY) == before + born


def test_a_template_that_vanishes_keeps_its_past_and_may_come_back() -> None:
    """Running sandboxes end in their time, new ones begin only after the return."""
    fleet = Fleet(1, "prod", 4)
    past = fleet.usage(NOON - MS_PER_DAY, NOON, BUSY.id)
    whole = fleet.usage(NOON + 2 * MS_PER_DAY, NOON + 3 * MS_PER_DAY, BUSY.id)
    fleet.remove(BUSY.id, NOON)
    assert BUSY.id not in [h.template.id for h in fleet.listed(NOON)]
    assert fleet.usage(NOON - MS_PER_DAY, NOON, BUSY.id) == past
    assert fleet.usage(NOON + MS_PER_HOUR, NOON + 3 * MS_PER_DAY, BUSY.id).runtime_ms == 0
    fleet.add(BUSY, NOON + MS_PER_DAY)
    assert BUSY.id in [h.template.id for h in fleet.listed(NOON + MS_PER_DAY)]
    assert BUSY.id not in [h.template.id for h in fleet.listed(NOON + MS_PER_DAY - 1)]
    returned = fleet.usage(NOON + 2 * MS_PER_DAY, NOON + 3 * MS_PER_DAY, BUSY.id)
    assert returned.runtime_ms == whole.runtime_ms
    fleet.reset()
    assert BUSY.id in [h.template.id for h in fleet.listed(NOON)]


def test_a_burst_adds_its_sandboxes_for_its_time() -> None:
    """Even an idle template may have one."""
    fleet = Fleet(1, "prod", 4)
    idle = next(h.template for h in fleet.listed(NOON) if not h.busy)
    fleet.burst(idle.id, Burst(NOON, NOON + MS_PER_HOUR, 5))
    assert fleet.running(NOON - 1, idle.id) == 0
    assert fleet.running(NOON, idle.id) == 5
    usage = fleet.usage(NOON - MS_PER_DAY, NOON + MS_PER_DAY, idle.id)
    assert usage.vcpu_hours == 5 * idle.vcpus
    assert usage.data_transfer_gb == 5 * idle.transfer_rate * 3600 / 1e9
    assert fleet.history(idle.id).sessions(NOON) >= 5


def test_sessions_are_counted_as_they_begin() -> None:
    """Counting without making agrees with making, for templates that were away, too."""
    history = History("1/prod", BUSY)
    start = NOON - 10 * MS_PER_DAY
    away = history.vanish(start).appear(start + 3 * MS_PER_DAY)
    for each in (history, away):
        by_hand = sum(
            by
            for number in range(start // MS_PER_DAY, NOON // MS_PER_DAY + 1)
            for day in [make_day(each.key, BUSY, number, each.present)]
            for at, by in day.begun.changes(day.origin, 1)
            if start < at <= NOON
        )
        assert each.sessions(NOON) - each.sessions(start) == by_hand > 0
    assert history.sessions(OPENED_MS - 1) == 0


def test_the_last_session_is_the_latest_begun() -> None:
    """An idle template never had one."""
    last = History("1/prod", BUSY).last_session(NOON)
    assert last is not None
    assert NOON - MS_PER_DAY < last <= NOON
    idle = next(h for h in SHARED.listed(NOON) if not h.busy)
    assert idle.last_session(NOON) is None
    assert idle.sessions(NOON) == 0


def test_unknown_templates_are_errors() -> None:
    """A mistake in a test is not a template without usage."""
    with pytest.raises(KeyError):
        SHARED.usage(0, NOON, "tpl-nobody")
