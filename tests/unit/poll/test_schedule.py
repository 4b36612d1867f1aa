from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month, MonthClose, Window
from sandbox_exporter.model import Field
from sandbox_exporter.poll.context import Timing
from sandbox_exporter.poll.schedule import _TICK, Line, Schedule, watch_clock
from sandbox_exporter.snapshot import AccountSnapshot

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop
    from tests.unit.poll.conftest import FakeVendor, MakePolled

END = Month(2026, 11).end


class Scheduled:
    """An account on its schedule; the wall clock starts `before` seconds before December."""

    def __init__(
        self, loop: VirtualLoop, vendor: FakeVendor, make_polled: MakePolled, **changes: Any
    ) -> None:
        self.start = END - changes.pop("before", 86400.0)
        self.published: list[tuple[float, AccountSnapshot]] = []
        """Changes of what is published, and when they came."""
        self.vendor = vendor
        place, line = changes.pop("place", 0.0), changes.pop("line", None)
        timing = Timing(
            MonthClose(300.0, 120.0), 300.0, lambda: self.start + loop.time(), loop.time
        )
        self.poller = make_polled(vendor, timing, **changes).poller
        self.schedule = Schedule(self.poller, self._publish, timing, place, line=line)
        self._loop = loop
        self.polls: list[tuple[float, Window]] = []
        poll = self.poller.poll

        async def noted(publish: Callable[[], None]) -> None:
            began = loop.time()
            await poll(publish)
            assert self.poller.window is not None
            self.polls.append((round(began, 3), self.poller.window))

        self.poller.poll = noted  # type: ignore[method-assign,assignment]

    def _publish(self, snapshot: AccountSnapshot) -> None:
        if not self.published or snapshot != self.published[-1][1]:
            self.published.append((self._loop.time(), snapshot))

    async def run(self, seconds: float) -> None:
        """Runs for so long."""
        tasks = [
            asyncio.create_task(work)
            for work in (self.schedule.run(), watch_clock(lambda: [self.schedule]))
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def times(self) -> list[int]:
        """The whole seconds at which polls began."""
        return [int(began) for began, _ in self.polls]

    def costs(self) -> list[tuple[int, float | None]]:
        """The account's counter as it was published, from second to second."""
        return [
            (int(moment), snapshot.usage.counters.get(Field.COST_USD))
            for moment, snapshot in self.published
        ]


@pytest.mark.parametrize(("place", "times"), [(0.0, [0, 60, 120, 180]), (0.5, [0, 30, 90, 150])])
def test_the_first_poll_is_at_once_and_the_next_are_spread(
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    in_virtual_time: InVirtualTime,
    place: float,
    times: list[int],
) -> None:
    """Accounts come one after the other within the interval, but none waits to begin."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor("a"), make_polled, place=place)
        await account.run(200)
        assert account.times[:4] == times
        assert [int(moment) for moment, _ in account.published] == account.times

    in_virtual_time(test)


def test_polls_never_overlap(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A poll that takes longer than its interval is followed by the next, not joined by it."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor()
        vendor.templates = None
        vendor.call_seconds = 12.0
        account = Scheduled(loop, vendor, make_polled, poll_interval=10.0)
        await account.run(50)
        assert account.times == [0, 12, 24, 36]

    in_virtual_time(test)


def test_each_phase_of_a_months_end_is_polled_as_it_begins(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """Hourly polls would miss it: the closed month is asked twice, then the new one at once."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor(), make_polled, before=100, poll_interval=3600.0)
        await account.run(1000)
        assert [
            (int(began), str(window.month), window.end == END) for began, window in account.polls
        ] == [
            (0, "2026-11", False),
            (100, "2026-11", True),
            (250, "2026-11", True),
            (400, "2026-12", False),
        ]

    in_virtual_time(test)


def test_accounts_ask_one_after_the_other_when_a_month_ends(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """The vendor does not get all accounts' calls in the same second."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(
            loop, fake_vendor(), make_polled, before=100, poll_interval=3600.0, place=0.5
        )
        await account.run(420)
        assert account.times[:2] == [0, 115]

    in_virtual_time(test)


def test_the_clock_alone_changes_what_is_published(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """Even with the vendor down the counters show 0 in time, and then the new month."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        vendor.use("a", 5.0)
        account = Scheduled(loop, vendor, make_polled, before=100, poll_interval=60.0)
        running = asyncio.create_task(account.run(700))
        await asyncio.sleep(350)
        vendor.failures["summary"] = UpstreamError(Reason.SERVER, "down")
        await running
        seen = dict(account.costs())
        assert seen[0] == 5.0
        assert seen[400] == 0.0
        assert list(seen.values())[-1] is None

    in_virtual_time(test)


def test_numbers_that_grow_stale_disappear_between_polls(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """Nobody waits for the next poll of an hourly account to see that its numbers are old."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        account = Scheduled(loop, vendor, make_polled, poll_interval=200.0)
        running = asyncio.create_task(account.run(390))
        await asyncio.sleep(100)
        vendor.failures["summary"] = UpstreamError(Reason.SERVER, "down")
        await running
        times = [int(moment) for moment, _ in account.published]
        assert times == [0, 200, 300]
        assert [value for _, value in account.costs()] == [0.0, 0.0, None]

    in_virtual_time(test)


def test_a_clock_set_forward_over_a_months_end_is_noticed(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """The new month is asked for within moments, not at the next poll."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor(), make_polled, poll_interval=3600.0)
        running = asyncio.create_task(account.run(60))
        await asyncio.sleep(30)
        account.start += 2 * 86400
        await running
        assert [str(window.month) for _, window in account.polls] == ["2026-11", "2026-12"]
        assert account.times == [0, 30]

    in_virtual_time(test)


def test_a_fault_of_the_exporter_ends_one_poll_only(
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    in_virtual_time: InVirtualTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged with its traceback and published; the next poll comes as ever."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        vendor.failures["summary"] = RuntimeError("a fault")  # type: ignore[assignment]
        account = Scheduled(loop, vendor, make_polled)
        running = asyncio.create_task(account.run(70))
        await asyncio.sleep(30)
        vendor.failures.clear()
        await running
        first, second = (snapshot for _, snapshot in account.published)
        assert "internal error" in first.error
        assert second.up

    with caplog.at_level(logging.ERROR):
        in_virtual_time(test)
    (record,) = [r for r in caplog.records if "traceback" in vars(r)]
    assert "RuntimeError: a fault" in vars(record)["traceback"]


def test_what_the_limit_cut_short_goes_on_a_minute_later(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A long interval does not make templates wait that the request limit left over."""
    vendor = fake_vendor(*(f"tpl-{n}" for n in range(150)))

    async def main(loop: VirtualLoop) -> None:
        scheduled = Scheduled(
            loop, vendor, make_polled, poll_interval=1800.0, max_requests_per_minute=60
        )
        await scheduled.run(1700.0)
        assert scheduled.times[:3] == [0, 60, 120]
        assert len(scheduled.times) < 5
        asked = {endpoint for endpoint, _ in vendor.calls if endpoint.startswith("tpl-")}
        assert len(asked) == 150

    in_virtual_time(main)


def test_a_fault_of_one_endpoint_takes_no_other_along(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """Its siblings and the templates are published; it is down, and told once."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a", "b")
        vendor.use("a", 5.0)
        vendor.failures["storage"] = RuntimeError("a fault")  # type: ignore[assignment]
        vendor.failures["b"] = RuntimeError("a fault")  # type: ignore[assignment]
        account = Scheduled(loop, vendor, make_polled)
        await account.run(70)
        snapshot = account.published[-1][1]
        up = {endpoint.name: endpoint.up for endpoint in snapshot.endpoints}
        assert snapshot.usage.counters[Field.COST_USD] == 5.0
        assert (up["summary"], up["storage"], up["costs_previous"]) == (True, False, True)
        assert {t.template.id for t in snapshot.templates} >= {"a"}

    in_virtual_time(test)


@pytest.mark.parametrize("hanging", ["storage", "templates"])
def test_an_endpoint_that_hangs_delays_nothing_else(
    hanging: str,
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    in_virtual_time: InVirtualTime,
) -> None:
    """The totals are published as they come, and polls keep to their interval."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        vendor.use("a", 5.0)
        called = vendor._called

        async def slow(name: str, window: Window | None) -> None:
            if name == hanging:
                await asyncio.sleep(9.0)  # as long as the client lets a call last
                raise UpstreamError(Reason.TIMEOUT, "no whole answer within 9.0 s")
            await called(name, window)

        vendor._called = slow  # type: ignore[method-assign]
        account = Scheduled(loop, vendor, make_polled, poll_interval=10.0)
        running = asyncio.create_task(account.run(45))
        await asyncio.sleep(19.5)
        vendor.use("a", 1.0)
        await running
        assert account.times == [0, 10, 20, 30]
        first, snapshot = account.published[0]
        assert first < 6.0
        assert snapshot.tried
        shown = {cost: moment for moment, cost in reversed(account.costs())}
        assert shown == {5.0: 0, 6.0: 20} if hanging == "storage" else {5.0: 5, 6.0: 25}

    in_virtual_time(test)


def test_a_poll_that_does_not_end_is_ended(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """It is published as failed, and the next one begins."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        account = Scheduled(loop, vendor, make_polled, poll_interval=10.0)
        running = asyncio.create_task(account.run(60))
        await asyncio.sleep(5)
        vendor.call_seconds = 1e9
        await asyncio.sleep(25)
        assert "internal error" in account.published[-1][1].error
        vendor.call_seconds = 0.0
        await running
        assert account.published[-1][1].up

    in_virtual_time(test)


def lose_timers(
    loop: VirtualLoop, which: Callable[[float], bool], at_most: float = math.inf
) -> None:
    """From now on timers of `which` seconds never fire, as under some fake clocks."""
    call_at, lost = loop.call_at, 0

    def losing(when: float, *arguments: Any, **more: Any) -> asyncio.TimerHandle:
        nonlocal lost
        if which(round(when - loop.time(), 6)) and lost < at_most:
            lost, when = lost + 1, 1e12
        return call_at(when, *arguments, **more)

    loop.call_at = losing  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("lost", range(40))
def test_whichever_timer_is_lost_polls_go_on(
    lost: int,
    fake_vendor: type[FakeVendor],
    make_polled: MakePolled,
    in_virtual_time: InVirtualTime,
) -> None:
    """A sleep that never returns, as some fake clocks make them, costs a poll at most."""

    async def test(loop: VirtualLoop) -> None:
        vendor = fake_vendor("a")
        vendor.call_seconds = 0.5
        account = Scheduled(loop, vendor, make_polled, poll_interval=20.0)
        running = asyncio.create_task(account.run(200))
        await asyncio.sleep(1)
        call_at, timers = loop.call_at, 0

        def losing(when: float, *arguments: Any, **more: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_at(1e12 if timers == lost else when, *arguments, **more)

        loop.call_at = losing  # type: ignore[method-assign,assignment]
        await running
        starts = [began for began, _ in account.polls]
        gaps = [after - before for before, after in pairwise([*starts, 200.0])]
        assert max(gaps) <= 20.0 + 2 * 6.0 + 2.0

    in_virtual_time(test)


def test_no_connection_stays_open_between_polls(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A thousand accounts would hold thousands of them; a fault in closing is told once."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor("a"), make_polled)
        await account.run(130)
        client: Any = account.poller.client
        assert client.closed == 3
        client.aclose = None
        await account.run(130)
        assert account.published[-1][1].up
        assert len(account.polls) == 6

    in_virtual_time(test)


def test_connections_that_do_not_close_delay_no_poll(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A peer may leave the end of its connection unanswered."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor("a"), make_polled)
        client: Any = account.poller.client
        client.aclose = asyncio.Event().wait
        await account.run(130)
        assert len(account.polls) == 3

    in_virtual_time(test)


def test_a_look_that_fails_keeps_no_other_account_from_its_look(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """One task looks for all accounts."""

    async def test(loop: VirtualLoop) -> None:
        faulty, sound = (Scheduled(loop, fake_vendor("a"), make_polled) for _ in range(2))
        faulty.poller.moment = None  # type: ignore[method-assign,assignment]
        await sound.poller.poll(lambda: None)
        faulty.poller._tried = True
        looking = asyncio.create_task(watch_clock(lambda: [faulty.schedule, sound.schedule]))
        await asyncio.sleep(3)
        sound.start += 40 * 86400.0
        before = len(sound.published)
        await asyncio.sleep(3)
        assert len(sound.published) == before + 1
        looking.cancel()
        await asyncio.wait([looking])

    in_virtual_time(test)


def test_polls_that_are_due_together_are_spread(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """A thousand accounts that all began at once would slow each other down to their deadlines."""

    async def test(loop: VirtualLoop) -> None:
        line = Line()
        scheduled = [Scheduled(loop, fake_vendor("a"), make_polled, line=line) for _ in range(100)]
        await asyncio.gather(*(account.run(10) for account in scheduled))
        starts = [account.polls[0][0] for account in scheduled]
        assert all(later - earlier > 0.009 for earlier, later in pairwise(starts))
        assert starts[-1] < 2.0

    in_virtual_time(test)


def test_a_poll_whose_bound_is_lost_too_is_ended_by_the_look_at_the_clock(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """Two timers of one poll that do not fire cost that poll alone."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor("a"), make_polled, poll_interval=20.0)
        running = asyncio.create_task(account.run(100))
        await asyncio.sleep(15)
        account.vendor.call_seconds = 1e9
        lose_timers(loop, lambda seconds: seconds > 20.0)
        await asyncio.sleep(20)
        account.vendor.call_seconds = 0.0
        await running
        assert max(account.times) >= 80

    in_virtual_time(test)


def test_a_look_at_the_clock_that_is_lost_comes_later(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, in_virtual_time: InVirtualTime
) -> None:
    """What the clock alone changes still shows."""

    async def test(loop: VirtualLoop) -> None:
        account = Scheduled(loop, fake_vendor("a"), make_polled)
        await account.poller.poll(lambda: None)
        looking = asyncio.create_task(watch_clock(lambda: [account.schedule]))
        await asyncio.sleep(5)
        lose_timers(loop, lambda seconds: seconds < 2 * _TICK, at_most=1)
        await asyncio.sleep(3)
        account.start += 40 * 86400.0  # the clock is set
        before = len(account.published)
        await asyncio.sleep(10)
        assert len(account.published) == before + 1
        looking.cancel()
        await asyncio.wait([looking])

    in_virtual_time(test)
