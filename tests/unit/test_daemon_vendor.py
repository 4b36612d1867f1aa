"""The daemon and a vendor that misbehaves, over HTTP: what its page shows of which account."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sandbox_exporter.config.model import Account, Config
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.poll.context import Timing
from tests.unit.daemons import Running, Start, Vendor, account, cost, endpoint_up, failed

pytestmark = pytest.mark.anyio

NOVEMBER, DECEMBER = Month(2026, 11), Month(2026, 12)
MINUTE = 60.0
ALL = ("a", "b", "c", "d")
UP = 'sandbox_up{provider="seacloud",account="prod"} 1.0'


def quick(vendor: Vendor, name: str = "prod", **changes: Any) -> Account:
    """An account that is polled each second, sooner than any configuration may ask."""
    return account(vendor, name, poll_interval=1.0, max_requests_per_minute=10_000, **changes)


def shares(value: float, *templates: str) -> tuple[str, ...]:
    """The lines of templates' cost counters."""
    return tuple(cost(value, level="template", template=name) for name in templates)


async def polls(running: Running, vendor: Vendor, more: int) -> None:
    """Waits until the account was asked so often from now on."""
    place = (vendor.url, "summary")
    enough = vendor.asked[place] + more
    await running.when(lambda: vendor.asked[place] >= enough)


@pytest.mark.parametrize(("status", "reason"), [(500, "server"), (403, "forbidden")])
async def test_a_template_that_fails_goes_alone(
    status: int, reason: str, vendor: Vendor, start: Start
) -> None:
    """Only its own series end, the idle account's others stay, and the endpoint is down."""
    vendor.templates = ALL
    running: Running = await start(Config((quick(vendor),), stale_after=3.0))
    await running.until(UP, *shares(5.0, *ALL), endpoint_up(1.0, "template_summary"))
    vendor.statuses["b"] = status
    vendor.cost = 6.0  # so that all are asked
    others = (UP, cost(24.0), *shares(6.0, "a", "c", "d"), endpoint_up(0.0, "template_summary"))
    await running.until(*others)
    assert failed("template_summary", reason) in running.text
    await running.until(*others, gone='template_id="b"}')
    await polls(running, vendor, 5)  # longer than numbers stay that nobody vouches for
    await running.until(*others, gone='template_id="b"}')
    vendor.statuses.clear()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_route_that_answered_before_is_out_and_its_templates_are_not_dead(
    status: int, vendor: Vendor, start: Start
) -> None:
    """All series stay while they are not stale, the endpoint is down, and all come back."""
    vendor.templates = ALL
    running: Running = await start(Config((quick(vendor),)))
    await running.until(UP, *shares(5.0, *ALL), endpoint_up(1.0, "template_summary"))
    vendor.statuses |= dict.fromkeys(ALL, status)
    vendor.cost = 6.0
    known = 'sandbox_exporter_templates{provider="seacloud",account="prod",state="known"} 4.0'
    out = (UP, cost(24.0), known, endpoint_up(0.0, "template_summary"))
    await running.until(*out)
    await polls(running, vendor, 3)
    await running.until(*out, *shares(5.0, *ALL))
    assert failed("template_summary", "not_found") in running.text
    vendor.statuses.clear()
    await running.until(UP, known, endpoint_up(1.0, "template_summary"), *shares(6.0, *ALL))


async def test_an_endpoint_that_hangs_stretches_no_polls(vendor: Vendor, start: Start) -> None:
    """Whichever it is, all others are asked as often as those of an account where none hangs."""
    routes = ("summary", "templates", "storage", "tpl-1")
    names = {route: f"{vendor.url}/{route}" for route in routes}
    vendor.hangs = {(base_url, route) for route, base_url in names.items()}
    calm = quick(vendor, "calm", base_url=f"{vendor.url}/calm")
    hanging = tuple(quick(vendor, route, base_url=base) for route, base in names.items())
    running: Running = await start(Config((calm, *hanging)))
    await running.when(lambda: vendor.asked[calm.base_url, "summary"] > 8)
    asked = {
        (route, other): vendor.asked[base_url, other]
        for route, base_url in names.items()
        for other in ("summary", "storage")
    }
    assert min(asked.values()) > 6, asked
    await running.until(
        *(cost(5.0, name) for name in ("calm", "templates", "storage", "tpl-1")),
        *(endpoint_up(0.0, route, route) for route in ("summary", "templates", "storage")),
        endpoint_up(0.0, "template_summary", "tpl-1"),
        *(cost(5.0, name, "template") for name in ("calm", "storage")),
    )
    vendor.hangs.clear()


async def test_a_pause_is_kept_for_half_of_what_numbers_stay(vendor: Vendor, start: Start) -> None:
    """A vendor that asks for an hour is asked again in time, and the page says so."""
    vendor.statuses["summary"], vendor.headers["Retry-After"] = 429, "3600"
    running: Running = await start(Config((quick(vendor),), stale_after=200.0))
    await running.until(endpoint_up(0.0, "summary"))
    error = running.daemon.publisher.snapshot.accounts[0].error
    assert error.startswith("summary: rate_limited: ")
    assert error.endswith("the vendor asked for a pause of 3600 s, kept for 100 s")


class Wall:
    """A wall clock that only a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """What polls take for the time: ten minutes before a month's end."""
    wall = Wall(DECEMBER.start - 10 * MINUTE)
    timing: Callable[..., Timing] = partial(Timing, wall=wall)
    monkeypatch.setattr("sandbox_exporter.daemon.Timing", timing)
    monkeypatch.setattr("sandbox_exporter.poll.build.Timing", timing)
    return wall


async def test_a_month_that_is_reset_late_does_not_poison_the_new_one(
    vendor: Vendor, start: Start, wall: Wall
) -> None:
    """Its counters are 0 and the endpoint says why, until the vendor has reset."""
    vendor.cost = 66.8
    running: Running = await start(Config((quick(vendor),)))
    await running.until(cost(66.8), cost(66.8, level="template"))
    vendor.costs = {str(NOVEMBER): 66.81, str(DECEMBER): 66.87}
    wall.now = DECEMBER.start + MINUTE
    await running.until(cost(66.81), cost(66.81, level="template"))
    wall.now = DECEMBER.start + 6 * MINUTE
    await running.until(cost(0.0), cost(0.0, level="template"))
    wall.now = DECEMBER.start + 9 * MINUTE
    waiting = (cost(0.0), cost(0.0, level="template"), endpoint_up(0.0, "summary"))
    await running.until(*waiting)
    await polls(running, vendor, 3)
    await running.until(*waiting)
    assert failed("summary", "schema") in running.text
    assert "has not reset it yet" in running.daemon.publisher.snapshot.accounts[0].error
    vendor.costs[str(DECEMBER)] = 0.058
    await running.until(cost(0.058), cost(0.058, level="template"), endpoint_up(1.0, "summary"))


async def test_a_month_that_is_reset_early_ends_at_its_final_total(
    vendor: Vendor, start: Start, wall: Wall
) -> None:
    """The fall is a correction, which is held until the closed month's own window is asked for."""
    vendor.cost = 66.8
    running: Running = await start(Config((quick(vendor),)))
    await running.until(cost(66.8), cost(66.8, level="template"))
    vendor.cost = 0.01
    month = 'sandbox_account_month_cost_usd{provider="seacloud",account="prod"} '
    await running.until(f"{month}0.01", cost(66.8), cost(66.8, level="template"))
    vendor.costs = {str(NOVEMBER): 66.87, str(DECEMBER): 0.02}
    wall.now = DECEMBER.start + MINUTE
    await running.until(cost(66.87), cost(66.87, level="template"))
    wall.now = DECEMBER.start + 6 * MINUTE
    await running.until(cost(0.0), cost(0.0, level="template"))
    wall.now = DECEMBER.start + 8 * MINUTE
    await running.until(cost(0.02), cost(0.02, level="template"), endpoint_up(1.0, "summary"))
