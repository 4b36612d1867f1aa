from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox_exporter.client import Client
from sandbox_exporter.config.model import Config, SecretRef
from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.exposition.selfmetrics import AccountMetrics
from sandbox_exporter.ledger.month import MonthClose
from sandbox_exporter.model import Field
from sandbox_exporter.snapshot import AccountSnapshot
from tests.unit.daemons import Running, Start, Vendor, account, cost

pytestmark = pytest.mark.anyio


async def test_every_account_is_polled_at_once(vendor: Vendor, start: Start) -> None:
    """The first publication of each comes within moments."""
    running = await start(Config((account(vendor), account(vendor, "test"))))
    await running.until(cost(5.0), cost(5.0, "test"), cost(5.0, level="template"))
    assert running.daemon.publisher.snapshot.ready
    assert "sandbox_exporter_config_last_reload_successful 1.0" in running.text


async def test_an_account_that_did_not_change_goes_on(vendor: Vendor, start: Start) -> None:
    """A reload that adds another account asks nothing of the first and drops nothing of it."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0), cost(5.0, level="template"))
    vendor.cost = 6.0
    await running.reload(Config((account(vendor, "test"), account(vendor))))
    await running.until(cost(6.0, "test"), cost(5.0))
    assert [a.account for a in running.daemon.publisher.snapshot.accounts] == ["test", "prod"]


async def test_an_account_that_changed_keeps_its_counters(vendor: Vendor, start: Start) -> None:
    """Even when the vendor corrected its total meanwhile, the counter holds."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    vendor.cost = 3.0
    await running.reload(Config((account(vendor, budget_usd=9.0),)))
    await running.until(
        cost(5.0),
        'sandbox_account_month_cost_usd{provider="seacloud",account="prod"} 3.0',
        'sandbox_account_budget_usd{provider="seacloud",account="prod"} 9.0',
    )


async def test_an_account_that_changed_is_never_without_numbers(
    vendor: Vendor, start: Start
) -> None:
    """Scrapes between the reload and the first poll after it see what was known before."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0), cost(5.0, level="template"))
    await running.reload(Config((account(vendor, budget_usd=9.0),)))
    await running.daemon.publisher.render()
    assert cost(5.0) in running.text
    assert cost(5.0, level="template") in running.text
    assert running.daemon.publisher.snapshot.ready


async def test_another_account_of_the_same_name_starts_afresh(vendor: Vendor, start: Start) -> None:
    """What the vendor calls another project has counters of its own."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    vendor.cost = 3.0
    await running.reload(Config((account(vendor, options={"project_id": "other"}),)))
    await running.until(cost(3.0), gone=cost(5.0))


async def test_settings_of_all_accounts_reach_each(vendor: Vendor, start: Start) -> None:
    """A new staleness applies though no account's own section changed."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    asked = len(vendor.keys)
    await running.reload(Config((account(vendor),), month_close=MonthClose(60.0, 60.0)))
    await running.until(cost(5.0))
    async with asyncio.timeout(120):
        while len(vendor.keys) <= asked:  # noqa: ASYNC110 - the vendor tells nobody
            await asyncio.sleep(0.005)


async def test_a_removed_account_vanishes_whole(vendor: Vendor, start: Start) -> None:
    """Its usage, its health and what the exporter counted of its calls."""
    running = await start(Config((account(vendor), account(vendor, "old"))))
    await running.until(cost(5.0), cost(5.0, "old"))
    await running.reload(Config((account(vendor),)))
    await running.until(cost(5.0), gone='account="old"')


async def test_an_account_that_moved_to_another_vendor_leaves_nothing(
    vendor: Vendor, start: Start
) -> None:
    """The name stays, and no series of the former vendor does."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    moved = account(vendor, provider="dreadnode", options={"organization": "acme"})
    await running.reload(Config((moved,)))
    await running.until('sandbox_up{provider="dreadnode",account="prod"}')
    await running.until(gone='account="prod",provider="seacloud"')
    # How long a provider's calls took is told of all its accounts together.
    former = [line for line in running.text.splitlines() if "seacloud" in line]
    assert {line.partition("_seconds_")[0] for line in former} == {
        "sandbox_exporter_api_request_duration"
    }


@pytest.mark.parametrize("where", ["file", "state_file", "ca_file"])
async def test_a_bad_configuration_is_refused_as_a_whole(
    vendor: Vendor, start: Start, tmp_path: Path, where: str
) -> None:
    """Nothing of it is taken, the old one goes on, and a metric says so."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    both = (account(vendor, poll_interval=20.0), account(vendor, "new"))
    bad: dict[str, Config | ConfigError] = {
        "file": ConfigError([Problem("accounts[0].name", "is missing")]),
        "state_file": Config(both, state_file=str(tmp_path / "state.json")),
        "ca_file": Config((*both[:1], replace(both[1], base_url="https://a", ca_file="/none"))),
    }
    with pytest.raises(ConfigError):
        await running.reload(bad[where])
    await running.daemon.publisher.render()
    assert cost(5.0) in running.text
    assert 'account="new"' not in running.text
    assert "sandbox_exporter_config_last_reload_successful 0.0" in running.text
    await running.reload(Config(both))
    await running.until(cost(5.0, "new"), "sandbox_exporter_config_last_reload_successful 1.0")


async def test_secrets_are_read_anew(
    vendor: Vendor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of accounts that did not change; one that cannot be read refuses the reload."""
    config = Config((account(vendor),))
    running = await start(config)
    await running.until(cost(5.0))
    monkeypatch.delenv("KEY")
    with pytest.raises(ConfigError, match=r"^account prod: environment variable KEY is unset"):
        await running.reload(config)
    monkeypatch.setenv("KEY", "another-key")
    await running.reload(config)
    (poller,) = running.daemon._pipeline.pollers.values()
    await poller.poll()
    assert set(vendor.keys) == {"made-up-key", "another-key"}
    assert vendor.keys[-1] == "another-key"


async def test_a_refused_key_of_one_account_touches_no_other(vendor: Vendor, start: Start) -> None:
    """Health and error counts say which; the other account is as ever."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    vendor.status = 401
    await running.reload(Config((account(vendor), account(vendor, "test"))))
    await running.until(
        'sandbox_up{provider="seacloud",account="test"} 0.0',
        'sandbox_up{provider="seacloud",account="prod"} 1.0',
        cost(5.0),
    )


async def test_counters_hold_across_a_restart(vendor: Vendor, start: Start, tmp_path: Path) -> None:
    """The state file keeps the marks of a process that ended, and belongs to one at a time."""
    config = Config((account(vendor),), state_file=str(tmp_path / "state.json"))
    first = await start(config)
    await first.until(cost(5.0))
    with pytest.raises(OSError, match="in use by another process"):
        await start(config)
    await first.daemon.stop()
    assert "made-up-key" not in json.dumps((tmp_path / "state.json").read_text())
    vendor.cost = 3.0
    second = await start(config)
    await second.until(
        cost(5.0), 'sandbox_account_month_cost_usd{provider="seacloud",account="prod"} 3.0'
    )


async def test_a_disk_that_fails_shows_on_the_page(
    vendor: Vendor, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that works again."""
    running = await start(Config((account(vendor),), state_file=str(tmp_path / "state.json")))
    saved = "sandbox_exporter_state_file_last_save_successful"
    await running.until(cost(5.0), f"{saved} 1.0")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        await running.daemon._pipeline.saver.save()
        await running.until(cost(5.0), f"{saved} 0.0")
    await running.daemon._pipeline.saver.save()
    await running.until(f"{saved} 1.0")


async def test_what_was_seen_counts_once_it_is_saved(
    vendor: Vendor, start: Start, tmp_path: Path
) -> None:
    """A birth shows its value only after a restart would know that its 0 was scraped."""
    running = await start(Config((account(vendor),), state_file=str(tmp_path / "state.json")))
    await running.until(cost(5.0))
    daemon = running.daemon
    page = daemon.publisher.page
    daemon.publisher.scraped(page)
    assert daemon._pipeline.served("prod") == float("-inf")
    daemon._pipeline.saver.changed("prod")
    await daemon._pipeline.saver.save()
    assert daemon._pipeline.served("prod") == page.taken["prod"]


async def test_a_birth_is_not_seen_on_a_snapshot_from_before_it(
    vendor: Vendor, tmp_path: Path
) -> None:
    """Results are shown once they are saved; what was born meanwhile is not among them."""
    daemon = Running(Config((account(vendor),), state_file=str(tmp_path / "state.json"))).daemon
    pipeline, saver = daemon._pipeline, daemon._pipeline.saver
    assert saver is not None
    (poller,) = pipeline.pollers.values()
    daemon.publisher.restart([poller.snapshot()])
    await poller.poll()
    assert poller.window is not None

    async def scraped() -> float | None:
        """What is shown of the newborn once all that was published is saved and scraped."""
        for _ in range(2):  # what is saved, and that it was scraped
            await saver.save()
            await daemon.publisher.render()
            daemon.publisher.scraped(daemon.publisher.page)
            saver.changed("prod")
        poller.ledger.release(time.monotonic(), pipeline.served("prod"))
        return poller.ledger.show("new", time.time()).counters.get(Field.COST_USD)

    daemon._publish(poller.snapshot())
    poller.ledger.record("new", poller.window, {Field.COST_USD: 2.0}, time.monotonic())
    assert await scraped() == 0.0
    daemon._publish(poller.snapshot())
    assert await scraped() == 2.0
    await daemon.stop()


async def test_a_start_that_fails_costs_no_marks(
    vendor: Vendor, start: Start, tmp_path: Path
) -> None:
    """A mistake that only shows when clients are made leaves the state file as it was."""
    path = tmp_path / "state.json"
    good = Config((account(vendor),), state_file=str(path))
    first = await start(good)
    await first.until(cost(5.0))
    await first.daemon.stop()
    saved = path.read_text()
    broken = account(vendor, "broken", base_url="https://a", ca_file="/none")
    with pytest.raises(ConfigError, match=r"^account broken: cannot read /none"):
        Running(replace(good, accounts=(*good.accounts, broken)))
    assert json.loads(path.read_text()) == json.loads(saved)
    await start(good)  # the file is free again


async def test_a_task_that_dies_is_told_and_fails_the_daemon(
    vendor: Vendor, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """An exporter that no longer publishes must not look alive."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    assert not running.daemon.failed.is_set()

    async def broken() -> None:
        raise RuntimeError("no page today")

    running.daemon.publisher.render = broken
    running.daemon.publisher.restart(())
    async with asyncio.timeout(120):
        await running.daemon.failed.wait()
    assert "a task ended by a fault" in caplog.text


async def test_numbers_outlive_a_reload_during_an_outage(vendor: Vendor, start: Start) -> None:
    """The first failed poll after it drops nothing: what is not stale stays, templates too."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0), cost(5.0, level="template"))
    vendor.status = 500
    await running.reload(Config((account(vendor, budget_usd=9.0),)))
    await running.until(
        'sandbox_up{provider="seacloud",account="prod"} 0.0',
        cost(5.0),
        cost(5.0, level="template"),
    )
    assert 'sandbox_last_success_timestamp_seconds{provider="seacloud"' in running.text


@pytest.mark.parametrize("budget", [None, 9.0])
async def test_a_reload_shows_nothing_that_is_not_saved(
    budget: float | None, vendor: Vendor, start: Start, tmp_path: Path
) -> None:
    """Nor of an account that goes on as it is, whose poll has brought more than it published."""
    path = tmp_path / "state.json"
    config = Config((account(vendor),), state_file=str(path))
    running = await start(config)
    await running.until(cost(5.0))
    publisher, shown = running.daemon.publisher, []
    restart = publisher.restart

    def noted(accounts: Iterable[AccountSnapshot]) -> None:
        restart(accounts)
        (now,) = publisher.snapshot.accounts
        shown.append((now.usage.counters[Field.COST_USD], '"cost_usd":6.0' in path.read_text()))

    publisher.restart = noted
    vendor.cost = 6.0
    await running.daemon._pipeline.pollers["prod"].poll()
    await running.reload(replace(config, accounts=(account(vendor, budget_usd=budget),)))
    assert shown == [(5.0, False) if budget is None else (6.0, True)]


async def test_no_account_is_missing_once_others_can_ask(vendor: Vendor) -> None:
    """The server runs already: an exporter without accounts would count as ready."""
    accounts = tuple(account(vendor, name=f"team-{n}") for n in range(50))
    running = Running(Config(accounts))
    starting = asyncio.create_task(running.daemon.start())
    await asyncio.sleep(0)
    assert len(running.daemon.publisher.snapshot.accounts) == 50
    await starting
    await running.daemon.stop()


async def test_what_a_reload_replaced_can_be_collected(vendor: Vendor, start: Start) -> None:
    """Collections were spared what the start made; after some reloads memory would hold it all."""
    running = await start(Config((account(vendor),)))
    gc.freeze()
    await running.reload(Config((account(vendor),)))
    assert gc.get_freeze_count() > 0, "nothing was replaced"
    await running.reload(Config((account(vendor, budget_usd=9.0),)))
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("mistake", ["a secret", "a setting"])
async def test_a_refused_reload_leaves_no_new_secret_behind(
    mistake: str, vendor: Vendor, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the accounts before the mistake nor in those after it, whatever it is."""
    monkeypatch.setenv("OTHER", "other-key")
    other = account(vendor, "other", api_key=SecretRef("env", "OTHER"))
    config = Config((account(vendor), other))
    running = await start(config)
    await running.until(cost(5.0), cost(5.0, "other"))
    monkeypatch.setenv("KEY", "new-key")
    if mistake == "a secret":
        monkeypatch.delenv("OTHER")
        refusal = "OTHER is unset"
    else:  # which only shows when it is used
        broken = account(vendor, "broken", base_url="https://a", ca_file="/none")
        config = Config((*config.accounts, broken))
        refusal = "cannot read /none"
    with pytest.raises(ConfigError, match=refusal):
        await running.reload(config)
    for poller in running.daemon._pipeline.pollers.values():
        await poller.poll()
    assert set(vendor.keys) == {"made-up-key", "other-key"}


@pytest.mark.parametrize("when", ["loading", "ending"])
async def test_nothing_starts_after_the_end(vendor: Vendor, start: Start, when: str) -> None:
    """A reload that is under way is ended, and one that comes later is refused."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    loading, go_on = threading.Event(), threading.Event()
    load: Callable[[], Config] = running.daemon._load

    def slowly() -> Config:
        loading.set()
        go_on.wait(10)
        return load()

    if when == "loading":
        running.daemon._load = slowly
        changed = Config((account(vendor, budget_usd=9.0), account(vendor, "new")))
        reload = asyncio.create_task(running.reload(changed))
        await asyncio.to_thread(loading.wait, 10)
        await running.daemon.stop()
        go_on.set()
        with pytest.raises(ConfigError, match="the exporter is ending"):
            await reload
    else:
        await running.daemon.stop()
        with pytest.raises(ConfigError, match="the exporter is ending"):
            await running.reload(Config((account(vendor, "new"),)))
    assert all(task.done() for task in running.daemon._tasks.values())
    assert set(running.daemon._tasks) == {"prod"}


async def test_a_reload_is_not_left_half_when_who_asked_goes_away(
    vendor: Vendor, start: Start
) -> None:
    """Its accounts are polled all the same."""
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0))
    asked = asyncio.create_task(running.reload(Config((account(vendor, "new"),))))
    await asyncio.sleep(0)
    asked.cancel()
    await running.until(cost(5.0, "new"), gone='account="prod"')


async def test_a_connection_that_cannot_be_closed_keeps_nothing_else_open(
    vendor: Vendor, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither at a reload nor at the end; the fault is logged."""
    running = await start(Config((account(vendor), account(vendor, "second"))))
    await running.until(cost(5.0), cost(5.0, "second"))
    pollers = running.daemon._pipeline.pollers
    closed: list[str] = []

    def breaks(client: Client) -> None:
        close = client.aclose

        async def broken() -> None:
            await close()
            raise RuntimeError("no close today")

        client.aclose = broken  # type: ignore[method-assign]

    def notes(client: Client) -> None:
        close = client.aclose

        async def noted() -> None:
            await close()
            closed.append("second")

        client.aclose = noted  # type: ignore[method-assign]

    breaks(pollers["prod"].client)
    await running.reload(Config((account(vendor, budget_usd=9.0), account(vendor, "second"))))
    await running.until('sandbox_account_budget_usd{provider="seacloud",account="prod"} 9.0')
    pollers = running.daemon._pipeline.pollers
    breaks(pollers["prod"].client)
    notes(pollers["second"].client)
    await running.daemon.stop()
    assert closed == ["second"]
    assert any("no close today" in str(vars(record)) for record in caplog.records)


async def test_a_redirect_to_nonsense_fails_its_endpoint_alone(
    vendor: Vendor, start: Start
) -> None:
    """The account's totals and templates are there as ever."""
    vendor.redirect = "https:////[x"
    running = await start(Config((account(vendor),)))
    await running.until(
        cost(5.0),
        cost(5.0, level="template"),
        'sandbox_endpoint_up{provider="seacloud",account="prod",endpoint="storage"} 0.0',
    )


@pytest.mark.parametrize("method", ["request", "error", "polled", "corrected", "skipped"])
async def test_a_fault_in_counting_costs_no_numbers(
    method: str,
    vendor: Vendor,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What only counts disturbs no call and no poll; it is logged once."""

    def broken(*_: object) -> None:
        raise RuntimeError("no counter today")

    monkeypatch.setattr(AccountMetrics, method, broken)
    vendor.redirect = "http://elsewhere.example.com/"
    running = await start(Config((account(vendor),)))
    await running.until(cost(5.0), cost(5.0, level="template"))
    health = 'sandbox_endpoint_up{provider="seacloud",account="prod",endpoint='
    await running.until(f'{health}"summary"}} 1', f'{health}"storage"}} 0')
    while not caplog.records:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.005)
    faults = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.__dict__["where"].split()[0] for record in faults] == ["counting"]
