from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox_exporter.backfill.run import BackfillError
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.model import Field
from sandbox_exporter.vendors.base import Cycle

Run = Callable[..., Any]
At = Callable[[str], int]
DAY = 86400


def test_counters_are_the_usage_since_the_months_start(run: Run, make_vendor: Any, at: At) -> None:
    """Each sample of each counter and month gauge, exactly at days' ends, nearly within."""
    vendor = make_vendor()
    result = run(vendor, "2025-03-02T10:37", "2025-03-04T05:00")
    stems = {
        "vcpu_seconds": Field.VCPU_SECONDS,
        "memory_byte_seconds": Field.MEMORY_BYTE_SECONDS,
        "data_transfer_bytes": Field.DATA_TRANSFER_BYTES,
        "cost_usd": Field.COST_USD,
    }
    for template_id in (None, "a", "b"):
        level = "template" if template_id else "account"
        for stem, field in stems.items():
            counter = result.of(f"sandbox_{level}_{stem}_total", template_id)
            assert list(counter) == list(
                range(at("2025-03-02T10:37"), at("2025-03-04T05:00") + 1, 60)
            )
            assert counter == result.of(f"sandbox_{level}_month_{stem}", template_id)
            assert list(counter.values()) == sorted(counter.values())
            for moment in (at("2025-03-03"), at("2025-03-04"), at("2025-03-04T05:00")):
                exact = vendor.exact(at("2025-03-01"), moment, template_id)[field]
                assert counter[moment] == exact
            noon = at("2025-03-03T12:30")
            exact = vendor.exact(at("2025-03-01"), noon, template_id)[field]
            assert counter[noon] == pytest.approx(exact, rel=1e-3)


def test_turn_of_the_month_shows_the_final_total_and_then_zero(
    run: Run, make_vendor: Any, at: At
) -> None:
    """So that `increase()` over any range that covers the turn is exact."""
    vendor = make_vendor()
    turn = at("2025-03-01")
    counter = run(vendor, "2025-02-28", "2025-03-02").of("sandbox_account_vcpu_seconds_total")
    assert counter[turn] == vendor.exact(at("2025-02-01"), turn)[Field.VCPU_SECONDS]
    assert counter[turn + 1] == 0
    assert list(counter).index(turn + 1) == list(counter).index(turn) + 1
    assert counter[at("2025-03-02")] == vendor.exact(turn, at("2025-03-02"))[Field.VCPU_SECONDS]


def test_levels_stand_at_the_end_of_their_bucket(run: Run, make_vendor: Any, at: At) -> None:
    """Running sandboxes by the minute, paused storage by the hour; templates have no storage."""
    result = run(make_vendor(), "2025-03-02T00:30", "2025-03-02T03:00")
    running = result.of("sandbox_template_running_sandboxes", "a")
    assert running[at("2025-03-02T01:00")] == 0
    assert running[at("2025-03-02T01:01")] == 2
    hours = [at(f"2025-03-02T0{hour}:00") for hour in (1, 2, 3)]
    for stem in ("paused_storage", "storage_used"):
        level = result.of(f"sandbox_account_{stem}_bytes")
        assert level == ({} if stem == "storage_used" else dict.fromkeys(hours, 7.0))
    assert "sandbox_template_paused_storage" not in result.text


@pytest.mark.parametrize("resolution", [Cycle.HOUR, Cycle.DAY])
def test_wider_resolutions_show_the_same_counters(
    run: Run, make_vendor: Any, at: At, resolution: Cycle
) -> None:
    """Samples stand on whole hours or days, and the ends are cut to these."""
    vendor = make_vendor()
    result = run(vendor, "2025-02-27T10:37", "2025-03-03T05:20", resolution)
    counter = result.of("sandbox_account_cost_usd_total")
    turn = at("2025-03-01")
    assert all(moment % resolution == 0 or moment == turn + 1 for moment in counter)
    assert max(counter) == at("2025-03-03T05:20") // resolution * resolution
    for moment in (at("2025-02-28"), turn, at("2025-03-02"), at("2025-03-03")):
        month = at("2025-02-01") if moment <= turn else turn
        exact = vendor.exact(month, moment)[Field.COST_USD]
        assert counter[moment] == pytest.approx(exact, rel=1e-3)
    assert counter[turn] == vendor.exact(at("2025-02-01"), turn)[Field.COST_USD]


def test_templates_keep_their_names(run: Run, make_vendor: Any, at: At) -> None:
    """The info series stands beside the counters, so that dashboards can join names."""
    result = run(make_vendor(), "2025-03-02", "2025-03-02T02:00", Cycle.HOUR)
    name = (
        'sandbox_template_info{provider="seacloud",account="prod",template_id="a",'
        'name="name of a",type="custom",version=""}'
    )
    assert result.series[name] == [(at("2025-03-02T01:00"), 1), (at("2025-03-02T02:00"), 1)]


def test_nothing_is_invented_before_the_first_usage(run: Run, make_vendor: Any, at: At) -> None:
    """Series begin on the day of the first usage, with 0, and the rest is reported."""
    vendor = make_vendor()
    vendor.began = at("2025-03-03T09:00")
    result = run(vendor, "2025-02-27", "2025-03-04")
    counter = result.of("sandbox_template_vcpu_seconds_total", "a")
    assert min(counter) == at("2025-03-03")
    assert counter[at("2025-03-03")] == 0
    assert "prod: 2025-02-27 to 2025-03-03: the vendor tells of no usage" in result.said


def test_refused_history_is_a_gap(run: Run, make_vendor: Any, at: At) -> None:
    """A month of which the vendor keeps nothing has no samples, and is reported with its words."""
    vendor = make_vendor(())
    vendor.keeps_from = at("2025-03-01")
    result = run(vendor, "2025-02-27", "2025-03-02")
    assert min(result.of("sandbox_account_vcpu_seconds_total")) == at("2025-03-01") + 1
    assert "prod: 2025-02-27 to 2025-03-01: totals: too long ago; nothing is written" in result.said
    assert "no usage" not in result.said


def test_missing_points_leave_only_what_totals_tell(run: Run, make_vendor: Any, at: At) -> None:
    """Days without points have a sample at their end; they are reported as one span of time."""
    vendor = make_vendor(())
    vendor.points_from = at("2025-03-04")
    result = run(vendor, "2025-03-02", "2025-03-05")
    counter = result.of("sandbox_account_vcpu_seconds_total")
    early = [moment for moment in counter if moment <= at("2025-03-04")]
    assert early == [at("2025-03-02"), at("2025-03-03"), at("2025-03-04")]
    assert len(counter) == 3 + 1440
    assert (
        "prod: 2025-03-02 to 2025-03-04: vcpu_seconds: the trend does not explain the summary's "
        "total; only what is known is written" in result.said
    )


def test_idle_days_cost_one_call(run: Run, make_vendor: Any, at: At) -> None:
    """Where totals did not grow no trend is asked, and the counters stand still."""
    vendor = make_vendor(("a",))
    vendor.idle_days = {at("2025-03-03")}
    result = run(vendor, "2025-03-02", "2025-03-05")
    idle = [
        called[0]
        for called in vendor.calls
        if called[1] == "a" and called[2:] == (at("2025-03-03"), at("2025-03-04"))
    ]
    assert idle == []
    counter = result.of("sandbox_template_vcpu_seconds_total", "a")
    assert counter[at("2025-03-03T07:01")] == counter[at("2025-03-04")]
    assert result.of("sandbox_template_running_sandboxes", "a")[at("2025-03-03T07:01")] == 0


@pytest.mark.parametrize("failing", [3, 17, 30, 44])
def test_interrupted_backfill_goes_on_where_it_was(
    run: Run, make_vendor: Any, tmp_path: Path, failing: int
) -> None:
    """Whenever the vendor breaks off, the second run ends with the very same file."""
    whole = run(make_vendor(), "2025-02-27T10:00", "2025-03-03T05:00", output=tmp_path / "whole")
    vendor = make_vendor()
    vendor.fail = lambda _: (
        UpstreamError(Reason.SERVER, "HTTP 503") if len(vendor.calls) >= failing else None
    )
    output = tmp_path / "out.om"
    with pytest.raises(BackfillError, match=r"^prod.*HTTP 503"):
        run(vendor, "2025-02-27T10:00", "2025-03-03T05:00", output=output)
    assert not output.exists()
    vendor.fail = lambda _: None
    assert run(vendor, "2025-02-27T10:00", "2025-03-03T05:00", output=output).text == whole.text


def test_finished_windows_are_not_asked_again(run: Run, make_vendor: Any, at: At) -> None:
    """After an interruption only what is missing costs calls."""
    vendor = make_vendor(())
    bad = at("2025-03-08")
    vendor.fail = lambda called: (
        UpstreamError(Reason.SERVER, "HTTP 503")
        if called[0] == "vcpu_seconds" and called[2] == bad
        else None
    )
    with pytest.raises(BackfillError, match="prod, 2025-03-08: HTTP 503; the same command goes on"):
        run(vendor, "2025-03-02", "2025-03-10")
    vendor.calls.clear()
    vendor.fail = lambda _: None
    run(vendor, "2025-03-02", "2025-03-10")
    assert {called[2] for called in vendor.calls if called[0] == "vcpu_seconds"} == {
        bad,
        at("2025-03-09"),
    }


def test_families_and_series_stand_together(run: Run, make_vendor: Any) -> None:
    """As OpenMetrics wants it: no family or series begins twice, times ascend, EOF ends."""
    text = run(make_vendor(), "2025-02-28", "2025-03-02", Cycle.HOUR).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    runs = [line.rsplit(" ", 2)[0] for line in lines]
    starts = [name for name, before in zip(runs, [None, *runs], strict=False) if name != before]
    assert len(starts) == len(set(starts))
    types = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert text.endswith("# EOF\n")


def test_too_short_a_span_is_an_error(run: Run, make_vendor: Any) -> None:
    """A span without a whole day cannot be told by the day."""
    with pytest.raises(BackfillError, match="leave no whole day"):
        run(make_vendor(), "2025-03-02T10:00", "2025-03-02T20:00", Cycle.DAY)


def test_calls_stay_within_the_prediction(run: Run, make_vendor: Any) -> None:
    """What is said beforehand bounds what is asked, the planning itself aside."""
    vendor = make_vendor()
    result = run(vendor, "2025-02-26", "2025-03-03")
    planning = 1 + 3 * 2
    said = int(result.said.split(" API calls")[0].rsplit(" ", 1)[1])
    assert 0.8 * said < len(vendor.calls) - planning <= said


@pytest.mark.parametrize(("per_minute", "step"), [(120, 60), (1, DAY)])
def test_auto_goes_by_the_minute_where_an_hour_of_calls_will_do(
    run: Run, make_vendor: Any, at: At, per_minute: int, step: int
) -> None:
    """Else by the day."""
    result = run(make_vendor(), "2025-03-02", "2025-03-12", None, per_minute=per_minute)
    moments = list(result.of("sandbox_account_vcpu_seconds_total"))
    assert moments[1] - moments[0] == step
