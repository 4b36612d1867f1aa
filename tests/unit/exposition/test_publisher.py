from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
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


def test_publications_during_a_rendering_are_rendered_together(
    in_virtual_time: InVirtualTime,
) -> None:
    """Many accounts that publish at once cause two renderings, not one each."""

    async def test(loop: VirtualLoop) -> None:
        publisher = Publisher(SelfMetrics(), loop.time)
        publisher.restart(account(0.0, CHUNK, name) for name in "abcdef")
        pages = {id(publisher.page): publisher.page}
        running = asyncio.create_task(publisher.run())
        await asyncio.sleep(0)
        for name in "abcdef":
            publisher.publish(account(5.0, CHUNK, name))
            await asyncio.sleep(0)
        for _ in range(60):
            pages[id(publisher.page)] = publisher.page
            await asyncio.sleep(0)
        running.cancel()
        assert costs(publisher) == {b"5.0"}
        assert len(pages) == 3

    in_virtual_time(test)


def test_the_exporters_own_metrics_are_refreshed_each_minute(
    in_virtual_time: InVirtualTime,
) -> None:
    """Also when no poll publishes anything."""

    async def test(loop: VirtualLoop) -> None:
        metrics = SelfMetrics()
        publisher = Publisher(metrics, loop.time)
        running = asyncio.create_task(publisher.run())
        await asyncio.sleep(1)
        metrics.reloaded(77.0, ok=True)
        await asyncio.sleep(60)
        running.cancel()
        name = b"sandbox_exporter_config_last_reload_success_timestamp_seconds"
        assert name + b" 77.0" in publisher.page.text.plain

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
