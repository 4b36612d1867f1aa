"""Calls that 1,000 templates need of which 20 are active at each moment, and what they bring."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.bench.conftest import Report, Start

TEMPLATES = 1000
ACTIVE = 20
TURN = 300
"""Seconds after which another template becomes active in place of one."""
BUSY = 45
"""Minutes in which there is usage."""
QUIET = 60
"""Minutes after them, in which the last of it is found at the latest."""
TARGET = 60
REFRESH = 15
"""Minutes after which a template is asked again though nothing says that it has changed."""
ORIGIN = int(datetime(2026, 11, 10, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("limit", [1200, 120, 60])
def test_calls_by_the_minute(program: Start, report: Report, limit: int) -> None:
    """No usage is lost: every template's counter is what the vendor's own ledger says."""
    upstream = program(
        *("upstream", "--templates", TEMPLATES, "--active", ACTIVE),
        *("--turn", TURN, "--origin", ORIGIN, "--end", ORIGIN + 60 * BUSY),
    )
    result = json.loads(report("minutes", upstream.port, BUSY + QUIET, limit, ORIGIN))
    truth = json.loads(upstream.get(f"/truth?end={result['end']}"))
    published = dict(_counters(result["page"]))
    assert len(published) == TEMPLATES
    for number, usage in enumerate(truth):
        shown = published[f"tpl-custom-{number:016x}"]
        assert math.isclose(shown, usage["vcpu_hours"] * 3600, rel_tol=1e-9), number
    total = result["calls"][:BUSY]
    each = [after - before for before, after in zip([0, *total], total, strict=False)]
    assert max(each) <= limit
    swept = next(minute for minute, count in enumerate(result["known"], 1) if count == TEMPLATES)
    then, later = each[swept : swept + REFRESH], each[swept:]
    print(
        f"\n{TEMPLATES:,} templates of which {ACTIVE} are active, another one each"
        f" {TURN // 60} minutes, limit {limit} calls a minute, {BUSY} simulated minutes:"
        f"\n  first sweep {swept} minutes ({total[swept - 1]:,} calls)"
        f"\n  calls a minute: {sum(then) / len(then):.0f} in the {REFRESH} minutes after it,"
        f" {sum(later) / len(later):.0f} in all that follow (at most {max(later)}):"
        f" ratio to {TARGET} {sum(then) / len(then) / TARGET:.2f} and"
        f" {sum(later) / len(later) / TARGET:.2f}"
        f"\n  asking all each {REFRESH} minutes alone is {TEMPLATES / REFRESH:.0f} a minute,"
        f" asking all each minute {TEMPLATES:,}; by minute: {each}"
    )


def _counters(page: str) -> list[tuple[str, float]]:
    found = re.findall(
        r'^sandbox_template_vcpu_seconds_total\{.*template_id="(.*?)"\} (\S+)$', page, re.MULTILINE
    )
    return [(template_id, float(value)) for template_id, value in found]
