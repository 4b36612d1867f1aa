"""The ledger: what counters show, moment by moment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.ledger.month import Month, MonthClose, Window
from sandbox_exporter.model import Field, Readings

CLOSE = MonthClose(settle=300.0, zero=120.0)
OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
NOON = NOVEMBER.start + 43200
TURN = NOVEMBER.start
SUMMARY = ACCOUNT_SCOPE + "summary"
COST, VCPU, RUNNING = Field.COST_USD, Field.VCPU_SECONDS, Field.RUNNING_SANDBOXES


@pytest.fixture
def ledger() -> Ledger:
    """An empty ledger with the usual settle and zero."""
    return Ledger(CLOSE)


def record(ledger: Ledger, scope: str, now: float, readings: Readings, clock: float = 0.0) -> bool:
    """An answer to a poll at `now`."""
    return ledger.record(scope, CLOSE.window(now), readings, clock)


def cost(ledger: Ledger, scope: str, now: float) -> float | None:
    """The cost counter as it is shown at `now`."""
    return ledger.show(scope, now).counters.get(COST)


def month_cost(ledger: Ledger, scope: str, now: float) -> float | None:
    """The month-to-date gauge as it is shown at `now`."""
    return ledger.show(scope, now).readings.get(COST)


def test_an_account_shows_its_total_at_once(ledger: Ledger) -> None:
    """An account's series was there before the exporter started, so it is no birth."""
    record(ledger, SUMMARY, NOON, {COST: 5.0, RUNNING: 2.0})
    shown = ledger.show(SUMMARY, NOON)
    assert shown.counters == {COST: 5.0}
    assert shown.readings == {COST: 5.0, RUNNING: 2.0}


def test_a_correction_is_held_and_told(ledger: Ledger) -> None:
    """The counter waits until the total has caught up; the gauge falls at once."""
    seen = []
    for minute, value in enumerate((5.0, 3.0, 4.5, 6.0)):
        fell = record(ledger, SUMMARY, NOON + 60 * minute, {COST: value})
        seen.append((fell, cost(ledger, SUMMARY, NOON), month_cost(ledger, SUMMARY, NOON)))
    assert seen == [
        (False, 5.0, 5.0),
        (True, 5.0, 3.0),
        (False, 5.0, 4.5),
        (False, 6.0, 6.0),
    ]


def test_a_clock_set_back_is_no_correction(ledger: Ledger) -> None:
    """A total of less time is smaller of course; the counter holds and nothing is counted."""
    assert not record(ledger, SUMMARY, NOON, {COST: 5.0})
    assert not record(ledger, SUMMARY, NOON - 600, {COST: 4.0})
    assert cost(ledger, SUMMARY, NOON - 600) == 5.0


def test_float_noise_is_no_correction(ledger: Ledger) -> None:
    """A last digit that differs is no correction."""
    record(ledger, SUMMARY, NOON, {COST: 0.1 + 0.2})
    assert not record(ledger, SUMMARY, NOON, {COST: 0.3})


def test_a_missing_value_is_a_missing_series(ledger: Ledger) -> None:
    """What the vendor leaves out disappears, and comes back no lower than it was."""
    record(ledger, SUMMARY, NOON, {COST: 5.0, VCPU: 7.0})
    record(ledger, SUMMARY, NOON, {VCPU: 7.0})
    assert ledger.show(SUMMARY, NOON).counters == {VCPU: 7.0}
    record(ledger, SUMMARY, NOON, {COST: 4.0, VCPU: 7.0})
    assert ledger.show(SUMMARY, NOON).counters == {COST: 5.0, VCPU: 7.0}


def test_templates_of_the_start_are_no_births(ledger: Ledger) -> None:
    """A template that was listed first thing shows its total, however late it is asked."""
    ledger.meet(["old"])
    record(ledger, "old", NOON, {COST: 5.0})
    assert cost(ledger, "old", NOON) == 5.0


def test_a_template_found_later_is_born_at_zero(ledger: Ledger) -> None:
    """It shows 0 until a scrape has seen that; its gauge tells the truth meanwhile."""
    record(ledger, "new", NOON, {COST: 5.0}, clock=100.0)
    ledger.release(110.0, served=99.0)
    assert (cost(ledger, "new", NOON), month_cost(ledger, "new", NOON)) == (0.0, 5.0)
    ledger.release(120.0, served=101.0)
    assert cost(ledger, "new", NOON) == 5.0


def test_a_birth_that_nobody_scrapes_ends_with_zero(ledger: Ledger) -> None:
    """Without a scrape the zeros last as long as those of a month's turn."""
    record(ledger, "new", NOON, {COST: 5.0}, clock=100.0)
    ledger.release(100.0 + CLOSE.zero - 1, served=0.0)
    assert cost(ledger, "new", NOON) == 0.0
    ledger.release(100.0 + CLOSE.zero, served=0.0)
    assert cost(ledger, "new", NOON) == 5.0


def test_a_quantity_that_appears_later_is_born_at_zero(ledger: Ledger) -> None:
    """A series is new even when its template or account is not."""
    record(ledger, SUMMARY, NOON, {VCPU: 7.0})
    record(ledger, SUMMARY, NOON, {VCPU: 7.0, COST: 5.0}, clock=1.0)
    assert ledger.show(SUMMARY, NOON).counters == {VCPU: 7.0, COST: 0.0}


def test_a_template_that_comes_back_goes_on_where_it_was(ledger: Ledger) -> None:
    """Within a month a second birth would count the first life's usage twice."""
    record(ledger, "tpl", NOON, {COST: 5.0})
    ledger.release(1.0, served=1.0)
    ledger.clear_levels("tpl")
    record(ledger, "tpl", NOON + 3600, {COST: 6.0}, clock=3600.0)
    assert cost(ledger, "tpl", NOON + 3600) == 6.0


def test_the_turn_by_the_clock_alone(ledger: Ledger) -> None:
    """The final total, then zeros, then the new month; nothing polled but what the phases ask."""
    record(ledger, SUMMARY, TURN - 60, {COST: 90.0})
    shown = [cost(ledger, SUMMARY, TURN - 1), cost(ledger, SUMMARY, TURN)]
    record(ledger, SUMMARY, TURN + 10, {COST: 100.0})
    shown += [cost(ledger, SUMMARY, TURN + 299), cost(ledger, SUMMARY, TURN + 300)]
    record(ledger, SUMMARY, TURN + 310, {COST: 3.0})
    shown += [cost(ledger, SUMMARY, TURN + 419), cost(ledger, SUMMARY, TURN + 420)]
    assert shown == [90.0, 90.0, 100.0, 0.0, 0.0, 3.0]
    assert month_cost(ledger, SUMMARY, TURN + 419) == 3.0


def test_idle_templates_turn_without_being_asked(ledger: Ledger) -> None:
    """A template that the new month need not ask shows 0, not its old total."""
    record(ledger, "idle", TURN - 60, {COST: 5.0, RUNNING: 0.0})
    ledger.release(1.0, served=1.0)
    assert cost(ledger, "idle", TURN + 10) == 5.0
    assert cost(ledger, "idle", TURN + 310) == 0.0
    later = ledger.show("idle", TURN + 5000)
    assert (later.counters, later.readings) == ({COST: 0.0}, {COST: 0.0, RUNNING: 0.0})


@pytest.mark.parametrize(
    ("restart", "polled", "shown"),
    [(TURN + 60, 100.0, 100.0), (TURN + 330, 3.0, 0.0), (TURN + 500, 4.0, 4.0)],
)
def test_a_restart_at_any_second_of_the_turn_shows_the_same(
    ledger: Ledger, restart: float, polled: float, shown: float
) -> None:
    """Without any memory the first poll brings what the clock says."""
    record(ledger, SUMMARY, restart, {COST: polled})
    assert cost(ledger, SUMMARY, restart) == shown


def test_after_an_outage_over_the_turn_the_new_month_is_a_birth(ledger: Ledger) -> None:
    """The zeros were not shown, so they are caught up, lest the new total hide in the old one."""
    record(ledger, SUMMARY, TURN - 3600, {COST: 100.0})
    record(ledger, SUMMARY, TURN + 7200, {COST: 220.0}, clock=50.0)
    assert cost(ledger, SUMMARY, TURN + 7200) == 0.0
    ledger.release(60.0, served=55.0)
    assert cost(ledger, SUMMARY, TURN + 7260) == 220.0


def test_a_clock_set_back_over_the_turn_shows_the_old_month_again(ledger: Ledger) -> None:
    """Both months are kept, so that the clock may go back and forth between them."""
    record(ledger, SUMMARY, TURN - 60, {COST: 90.0})
    record(ledger, SUMMARY, TURN + 3600, {COST: 3.0}, clock=1.0)
    ledger.release(2.0, served=2.0)
    record(ledger, SUMMARY, TURN - 30, {COST: 91.0}, clock=3.0)
    assert cost(ledger, SUMMARY, TURN - 30) == 91.0
    assert cost(ledger, SUMMARY, TURN + 3700) == 3.0


def test_lifetime_totals_ignore_months(ledger: Ledger) -> None:
    """What counts since the account began neither falls nor starts again."""
    record(ledger, SUMMARY, TURN - 60, {Field.RUNTIME_SECONDS: 50.0})
    record(ledger, SUMMARY, TURN + 330, {Field.RUNTIME_SECONDS: 40.0})
    shown = ledger.show(SUMMARY, TURN + 330)
    assert shown.counters == {Field.RUNTIME_SECONDS: 50.0}
    assert shown.readings == {Field.RUNTIME_SECONDS: 40.0}


def saved(ledger: Ledger, now: float, served: float = float("-inf")) -> Ledger:
    """A ledger with the marks of another, as a restart with a state file makes it."""
    marks: dict[str, dict[str, Readings]] = {}
    for period, scope, values in ledger.entries(now, served):
        marks.setdefault(period, {})[scope] = values
    restarted = Ledger(CLOSE)
    restarted.restore(marks)
    return restarted


def test_marks_hold_across_a_restart(ledger: Ledger) -> None:
    """A correction while the exporter was down does not make the counter fall."""
    record(ledger, SUMMARY, NOON, {COST: 9.0, Field.SESSIONS: 7.0})
    restarted = saved(ledger, NOON)
    assert cost(restarted, SUMMARY, NOON) is None
    record(restarted, SUMMARY, NOON + 60, {COST: 8.0, Field.SESSIONS: 6.0})
    assert restarted.show(SUMMARY, NOON + 60).counters == {COST: 9.0, Field.SESSIONS: 7.0}


def test_with_marks_new_templates_are_births_even_at_the_start(ledger: Ledger) -> None:
    """Who is not in the state file appeared while the exporter was down."""
    ledger.meet(["old"])
    record(ledger, SUMMARY, NOON, {COST: 9.0})
    restarted = saved(ledger, NOON)
    restarted.meet(["old", "new"])
    record(restarted, "new", NOON + 60, {COST: 2.0})
    assert cost(restarted, "new", NOON + 60) == 0.0


def test_a_birth_that_nobody_saw_is_born_again_after_a_restart(ledger: Ledger) -> None:
    """The state file does not know a counter that has shown no more than its 0."""
    record(ledger, SUMMARY, NOON, {COST: 9.0})
    record(ledger, "new", NOON, {COST: 2.0})
    restarted = saved(ledger, NOON)
    record(restarted, "new", NOON + 60, {COST: 3.0})
    assert cost(restarted, "new", NOON + 60) == 0.0


def test_a_birth_that_was_seen_goes_on_from_0_after_a_restart(ledger: Ledger) -> None:
    """Its value may have been shown before the end, so a second 0 would count it twice."""
    record(ledger, SUMMARY, NOON, {COST: 9.0})
    record(ledger, "new", NOON, {COST: 2.0, VCPU: 4.0}, clock=100.0)
    record(ledger, "newer", NOON, {COST: 2.0}, clock=120.0)
    restarted = saved(ledger, NOON, served=110.0)
    assert restarted.marks(NOON)["2026-11"]["new"] == {COST: 0.0, VCPU: 0.0}
    for scope in ("new", "newer"):
        record(restarted, scope, NOON + 60, {COST: 3.0})
    assert cost(restarted, "new", NOON + 60) == 3.0
    assert cost(restarted, "newer", NOON + 60) == 0.0


def test_what_was_there_at_the_start_is_no_birth_after_restarts_either(ledger: Ledger) -> None:
    """It may have answered and been shown after the last save, account and templates alike."""
    ledger.meet(["old", "later"])
    record(ledger, ACCOUNT_SCOPE + "storage", NOON, {VCPU: 1.0})
    for _ in range(2):
        ledger = saved(ledger, NOON)
        ledger.meet(["old", "later", "new"])
        record(ledger, "old", NOON + 60, {COST: 5.0})
    for scope in (SUMMARY, "later", "new"):
        record(ledger, scope, NOON + 60, {COST: 5.0})
    shown = {scope: cost(ledger, scope, NOON + 60) for scope in (SUMMARY, "old", "later", "new")}
    assert shown == {SUMMARY: 5.0, "old": 5.0, "later": 5.0, "new": 0.0}


def test_a_list_of_the_start_that_was_being_read_is_read_on_after_a_restart(
    ledger: Ledger,
) -> None:
    """Templates of its later pages may have been shown after the last save."""
    ledger.meet(["page-1"], more=True)
    record(ledger, SUMMARY, NOON, {COST: 9.0})
    restarted = saved(ledger, NOON)
    restarted.meet(["page-1"], more=True)
    restarted.meet(["page-1", "page-2"])
    restarted.meet(["page-1", "page-2", "new"])
    for scope in ("page-2", "new"):
        record(restarted, scope, NOON + 60, {COST: 5.0})
    assert cost(restarted, "page-2", NOON + 60) == 5.0
    assert cost(restarted, "new", NOON + 60) == 0.0


def test_what_was_there_at_the_start_is_a_birth_in_the_next_month(ledger: Ledger) -> None:
    """Nobody can have shown that month before this ledger began."""
    ledger.meet(["old"])
    record(ledger, SUMMARY, TURN - 60, {COST: 9.0})
    early, late = saved(ledger, TURN - 60), saved(ledger, TURN + 3600)
    assert "old" in ledger.marks(TURN + 60)["2026-10"]
    assert ledger.marks(TURN + 3600) == {}
    for restarted in (early, late):
        for scope in (ACCOUNT_SCOPE + "storage", "old"):
            record(restarted, scope, TURN + 3600, {COST: 2.0})
            assert cost(restarted, scope, TURN + 3600) == 0.0


def test_marks_of_older_versions_name_all_that_was_known(ledger: Ledger) -> None:
    """They say nothing of a start, so all else is a birth, as it was to those versions."""
    ledger.restore({"2026-11": {SUMMARY: {COST: 9.0}}})
    ledger.meet(["new"])
    for scope in (SUMMARY, "new"):
        record(ledger, scope, NOON, {COST: 9.5})
    assert cost(ledger, SUMMARY, NOON) == 9.5
    assert cost(ledger, "new", NOON) == 0.0


def test_a_month_that_showed_its_zeros_is_known_after_a_restart(ledger: Ledger) -> None:
    """The zeros of the turn are saved, so that the value after them is no birth."""
    ledger.meet(["tpl"])
    for scope in (SUMMARY, "tpl"):
        record(ledger, scope, TURN - 60, {COST: 9.0})
        assert cost(ledger, scope, TURN + 330) == 0.0
    restarted = saved(ledger, TURN + 330)
    for scope in (SUMMARY, "tpl"):
        record(restarted, scope, TURN + 430, {COST: 2.0})
        assert cost(restarted, scope, TURN + 430) == 2.0


def test_a_month_turned_to_late_is_known_from_the_half_of_its_zeros(ledger: Ledger) -> None:
    """Its value follows the zeros by the clock, so the file must know of them before."""
    ledger.restore({})
    record(ledger, "tpl", TURN - 60, {COST: 9.0})
    ledger.release(1.0, served=1.0)
    late = TURN + 3600
    ledger.begin(late)
    ledger.close_month("tpl", Window.whole(OCTOBER), {COST: 10.0})
    record(ledger, "tpl", late, {COST: 2.0}, clock=2.0)
    shown = [cost(ledger, "tpl", late + seconds) for seconds in (0, 300)]
    turned = ledger.turned(late + 300)
    assert ledger.turned(late + 360) == turned + 1
    early, restarted = saved(ledger, late + 359), saved(ledger, late + 360)
    shown.append(cost(ledger, "tpl", late + 420))
    assert shown == [10.0, 0.0, 2.0]
    for after, value in ((early, 0.0), (restarted, 2.0)):
        record(after, "tpl", late + 420, {COST: 2.0}, clock=3.0)
        assert cost(after, "tpl", late + 420) == value


def test_marks_of_a_month_long_gone_make_the_new_month_a_birth(ledger: Ledger) -> None:
    """Down over the turn: the last sample is the old month's, so a 0 must come before the new."""
    record(ledger, SUMMARY, TURN - 60, {COST: 100.0})
    restarted = saved(ledger, TURN - 60)
    record(restarted, SUMMARY, TURN + 90_000, {COST: 220.0})
    assert cost(restarted, SUMMARY, TURN + 90_000) == 0.0


def test_a_month_that_began_while_nobody_polled_is_a_birth_after_a_restart(
    ledger: Ledger,
) -> None:
    """The upstream was down over the turn, and the exporter restarted in the new month."""
    record(ledger, SUMMARY, TURN - 60, {COST: 100.0})
    restarted = saved(ledger, TURN + 3600)
    assert ledger.known
    assert restarted.known
    record(restarted, SUMMARY, TURN + 9000, {COST: 220.0})
    assert cost(restarted, SUMMARY, TURN + 9000) == 0.0


def test_marks_are_those_of_months_still_to_be_shown(ledger: Ledger) -> None:
    """The closed month is saved while it is shown, and no longer."""
    record(ledger, SUMMARY, TURN - 60, {COST: 100.0})
    assert cost(ledger, SUMMARY, TURN + 300) == 0.0
    record(ledger, SUMMARY, TURN + 310, {COST: 1.0})
    assert set(ledger.marks(TURN + 100)) == {"2026-10", "2026-11"}
    assert ledger.marks(TURN + 500) == {"2026-11": {SUMMARY: {COST: 1.0}}}


def test_prune_drops_templates_without_usage_this_month(ledger: Ledger) -> None:
    """Templates of past months leave no trace, those of this month keep their marks."""
    for scope, now in (("gone", TURN - 60.0), ("kept", TURN - 60.0), ("used", NOON)):
        record(ledger, scope, now, {COST: 1.0})
    ledger.prune({"kept"}, NOVEMBER)
    assert sorted(ledger.templates()) == ["kept", "used"]
    assert cost(ledger, "gone", TURN - 60) is None


def test_a_template_that_is_pruned_leaves_no_birth_behind(ledger: Ledger) -> None:
    """Its zeros need not be seen by anyone, and the next poll does not stumble over them."""
    ledger.begin(NOON)
    ledger.record("gone", Window(OCTOBER, OCTOBER.start, TURN), {COST: 4.0}, clock=100.0)
    assert ledger.born(99.0, 100.0)
    ledger.prune(set(), NOVEMBER)
    assert not ledger.born(99.0, 100.0)
    ledger.release(200.0, served=0.0)


def test_latest_is_the_vendors_word_for_a_month(ledger: Ledger) -> None:
    """Totals of the month that is asked for, none if it was not polled, and the levels of now."""
    assert ledger.latest("tpl", NOVEMBER) == {}
    ledger.record("tpl", Window(OCTOBER, OCTOBER.start, TURN), {COST: 4.0, RUNNING: 1.0}, 0.0)
    assert ledger.latest("tpl", OCTOBER) == {COST: 4.0, RUNNING: 1.0}
    assert ledger.latest("tpl", NOVEMBER) == {RUNNING: 1.0}


def test_a_lifetime_total_that_falls_is_a_correction(ledger: Ledger) -> None:
    """It is counted once, when it falls, and the counter holds."""
    values = (9.0, 5.0, 5.0, 6.0)
    fell = [record(ledger, SUMMARY, NOON, {Field.SESSIONS: value}) for value in values]
    assert fell == [False, True, False, False]


@pytest.mark.parametrize("started", [TURN - 3, TURN + 60, TURN + 310])
def test_a_start_without_an_answer_over_the_turn_makes_the_new_month_a_birth(
    ledger: Ledger, started: float
) -> None:
    """Whoever started in the old month, or in its zeros, cannot have shown the new one."""
    ledger.begin(started)
    record(ledger, SUMMARY, TURN + 3600, {COST: 120.0})
    assert cost(ledger, SUMMARY, TURN + 3600) == 0.0


def test_only_the_first_listing_is_that_of_the_start(ledger: Ledger) -> None:
    """What a reload finds has appeared while the exporter ran."""
    ledger.meet(["old"])
    ledger.meet(["new"])
    record(ledger, "new", NOON, {COST: 5.0})
    assert cost(ledger, "new", NOON) == 0.0


def test_a_clock_set_back_into_the_zeros_does_not_bring_them_back(ledger: Ledger) -> None:
    """Within a month a counter never falls, whatever the clock does."""
    record(ledger, SUMMARY, TURN + 430, {COST: 3.0})
    assert cost(ledger, SUMMARY, TURN + 430) == 3.0
    assert cost(ledger, SUMMARY, TURN + 400) == 3.0


@pytest.mark.parametrize(
    ("module", "kept_out"), [("ledger", ("fcntl",)), ("state_saver", ())], ids=["ledger", "saver"]
)
def test_counting_needs_neither_file_locks_nor_those_who_ask(
    module: str, kept_out: tuple[str, ...]
) -> None:
    """A fresh interpreter that imports the ledger loads no lock, no poll and no vendor."""
    code = f"import sys, sandbox_exporter.ledger.{module}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert f"sandbox_exporter.ledger.{module}" in loaded
    askers = (f"sandbox_exporter.{name}" for name in ("poll", "vendors", "config"))
    assert {*kept_out, *askers}.isdisjoint(loaded)
