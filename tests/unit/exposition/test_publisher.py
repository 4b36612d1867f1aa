from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.exposition.sheet import Sheet
from sandbox_exporter.exposition.text import CHUNK
from sandbox_exporter.model import Field, Template
from sandbox_exporter.snapshot import AccountSnapshot, TemplateUsage, Usage

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop


def account(cost: float, templates: int = 0, name: str = "a") -> AccountSnapshot:
    """An account that used something."""
    usage = Usage({Field.COST_USD: cost}, {Field.COST_USD: cost})
    return AccountSnapshot(
        "seacloud",
        name,
        tried=True,
        created=1,
        usage=usage,
        templates=tuple(TemplateUsage(Template(f"t{n}"), usage) for n in range(templates)),
    )


def costs(publisher: Publisher) -> set[bytes]:
    """The values of all cost counters on the page."""
    lines = publisher.page.text.plain.splitlines()
    return {
        line.split(b" ")[1] for line in lines if b"_cost_usd_total{" in line and line[:1] != b"#"
    }


def test_before_anything_is_published_the_exporters_own_metrics_are_served() -> None:
    """A scrape right after the start finds a whole page."""
    page = Publisher(SelfMetrics()).page
    assert b"sandbox_exporter_build_info{" in page.text.plain
    assert page.openmetrics.plain.endswith(b"# EOF\n")


def test_the_page_is_swapped_as_a_whole(in_virtual_time: InVirtualTime) -> None:
    """Scrapes during a rendering see the old page, and none sees a mixture."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0, templates=2 * CHUNK)])
        await publisher.render()
        rendering = asyncio.create_task(publisher.render())
        publisher.publish(account(2.0, templates=2 * CHUNK))
        seen = []
        while not rendering.done():
            seen.append(costs(publisher))
            await asyncio.sleep(0)
        assert len(seen) > 4
        assert set(map(frozenset, seen)) == {frozenset({b"1.0"})}
        assert costs(publisher) == {b"2.0"}
        assert gzip.decompress(publisher.page.text.gzip) == publisher.page.text.plain

    in_virtual_time(test)


def test_a_page_tells_whose_first_poll_it_shows(in_virtual_time: InVirtualTime) -> None:
    """It follows the snapshot: an account published since it was begun is in the next one."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0, CHUNK), AccountSnapshot("seacloud", "b")])
        rendering = asyncio.create_task(publisher.render())
        await asyncio.sleep(0)
        publisher.publish(account(2.0, name="b"))
        assert publisher.page.tried == frozenset()
        await rendering
        assert publisher.page.tried == {"a"}
        await publisher.render()
        assert publisher.page.tried == {"a", "b"}

    in_virtual_time(test)


def test_what_is_published_together_is_rendered_together(in_virtual_time: InVirtualTime) -> None:
    """However many accounts publish, there are a few pages a second, and none is old."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(0.0)])
        running = asyncio.create_task(publisher.run())
        await asyncio.sleep(5)
        first = publisher.page.number
        for number in range(1000):
            publisher.publish(account(float(number)))
            await asyncio.sleep(0.01)
            if number >= 20:
                assert publisher.page.taken["a"] > loop.time() - 0.25
        running.cancel()
        assert 10 < publisher.page.number - first <= 10 / 0.2 + 1

    in_virtual_time(test)


@pytest.mark.parametrize("seconds", [0.002, 0.1, 0.3])
def test_rendering_leaves_most_of_the_time_to_others(
    in_virtual_time: InVirtualTime, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """A fifth at most, unless what is served would become older than a second."""

    async def test(loop: VirtualLoop) -> None:
        async def render(*_: object) -> bool:
            loop.now += seconds
            return True

        monkeypatch.setattr(Sheet, "render", render)
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(0.0)])
        running = asyncio.create_task(publisher.run())
        while loop.time() < 60:
            publisher.publish(account(loop.time()))
            await asyncio.sleep(0.01)
            assert publisher.page.taken.get("a", 0.0) > loop.time() - 1.02
        running.cancel()
        rendering = publisher.page.number * seconds
        assert rendering <= 0.2 * loop.time() + seconds or seconds > 0.2

    in_virtual_time(test)


def test_what_was_counted_is_on_the_page_within_a_second(in_virtual_time: InVirtualTime) -> None:
    """Of the exporter and of an account, also when no poll publishes anything."""

    async def test(loop: VirtualLoop) -> None:
        metrics = SelfMetrics()
        configured = Account("a", "seacloud", "", SecretRef("env", "NONE"))
        publisher = Publisher(metrics, loop.time)
        publisher.restart([account(0.0)])
        running = asyncio.create_task(publisher.run())
        await asyncio.sleep(10)
        metrics.reloaded(77.0, ok=True)
        metrics.account(configured).polled(1.5, 7.0)
        await asyncio.sleep(1.01)
        name = "sandbox_exporter_config_last_reload_success_timestamp_seconds"
        text = publisher.page.text.plain.decode()
        assert f"{name} 77.0" in text
        assert 'poll_duration_seconds{account="a",provider="seacloud"} 1.5' in text
        metrics.account(configured).polled(2.5, 8.0)
        await asyncio.sleep(1.01)
        running.cancel()
        assert 'poll_duration_seconds{account="a",provider="seacloud"} 2.5' in (
            publisher.page.text.plain.decode()
        )

    in_virtual_time(test)


def test_a_rendering_that_was_cut_short_is_made_up_for(in_virtual_time: InVirtualTime) -> None:
    """Nothing that changed is forgotten."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0, 2 * CHUNK)])
        await publisher.render()
        publisher.publish(account(2.0, 2 * CHUNK))
        rendering = asyncio.create_task(publisher.render())
        await asyncio.sleep(0)
        rendering.cancel()
        await asyncio.gather(rendering, return_exceptions=True)
        await publisher.render()
        assert costs(publisher) == {b"2.0"}

    in_virtual_time(test)


NEVER = float("-inf")


def test_a_scrape_has_seen_what_its_page_shows(in_virtual_time: InVirtualTime) -> None:
    """Each account as it was when its snapshot was taken, not when rendering it had ended."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.scraped(publisher.page)
        publisher.restart([account(1.0), account(1.0, name="b")])
        assert publisher.served("a") == NEVER
        await asyncio.sleep(10)
        publisher.publish(account(2.0))
        taken = loop.time()
        await asyncio.sleep(10)
        await publisher.render()
        assert publisher.served("a") == NEVER
        await asyncio.sleep(10)
        publisher.scraped(publisher.page)
        assert (publisher.served("a"), publisher.served("b")) == (taken, 0.0)
        assert publisher.served("not configured") == NEVER

    in_virtual_time(test)


def test_what_is_shown_late_counts_from_when_it_was_taken(
    in_virtual_time: InVirtualTime,
) -> None:
    """A snapshot that waited for a save holds nothing that came after it was taken."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0)])
        taken = loop.time()
        await asyncio.sleep(10)
        publisher.publish(account(2.0), taken)
        assert publisher.taken["a"] == taken
        await publisher.render()
        publisher.scraped(publisher.page)
        assert publisher.served("a") == taken

    in_virtual_time(test)


def test_a_scrape_of_anothers_publication_has_not_seen_ones_own(
    in_virtual_time: InVirtualTime,
) -> None:
    """What is published while a page is rendered is on the next one."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0, 2 * CHUNK), account(1.0, name="b")])
        await asyncio.sleep(1)
        publisher.publish(account(2.0, name="b"))
        rendering = asyncio.create_task(publisher.render())
        await asyncio.sleep(0)
        publisher.publish(account(2.0))
        await rendering
        publisher.scraped(publisher.page)
        assert publisher.served("a") == 0.0
        assert publisher.served("b") > 0.0
        await publisher.render()
        publisher.scraped(publisher.page)
        assert publisher.served("a") > 0.0

    in_virtual_time(test)


def test_a_slow_scrape_of_an_older_page_takes_nothing_back(in_virtual_time: InVirtualTime) -> None:
    """It may end after a quick one of a newer page."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0)])
        await publisher.render()
        older = publisher.page
        await asyncio.sleep(5)
        publisher.publish(account(2.0))
        taken = loop.time()
        await publisher.render()
        publisher.scraped(publisher.page)
        publisher.scraped(older)
        assert publisher.served("a") == taken

    in_virtual_time(test)


def test_a_reload_does_not_make_what_it_keeps_newer(in_virtual_time: InVirtualTime) -> None:
    """An account that goes on as it was shows what it showed."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        kept = account(1.0)
        publisher.restart([kept, account(1.0, name="b")])
        await asyncio.sleep(5)
        publisher.restart([kept, account(1.0, name="b")])
        assert publisher.taken["a"] == 0.0
        assert publisher.taken["b"] > 0.0

    in_virtual_time(test)


def test_accounts_that_are_not_configured_are_not_published() -> None:
    """A poll that ends after a reload removed its account publishes nothing."""
    publisher = Publisher(SelfMetrics())
    publisher.restart([account(1.0)])
    publisher.publish(account(9.0, name="removed"))
    assert [a.account for a in publisher.snapshot.accounts] == ["a"]
    publisher.restart([])
    assert publisher.snapshot.accounts == ()


def test_a_rendering_tells_its_size(in_virtual_time: InVirtualTime) -> None:
    """The samples of the snapshot, the exporter's own aside."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart([account(1.0, templates=3)])
        await publisher.render()
        # Account: counter, gauge, up, and three of its templates' numbers; a template: three each.
        assert b"sandbox_exporter_published_samples 15.0" in publisher.page.text.plain

    in_virtual_time(test)
