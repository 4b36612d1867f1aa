from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.ledger.ledger import ACCOUNT_SCOPE, Ledger
from sandbox_exporter.ledger.month import LONGEST_CLOSE, Month, MonthClose
from sandbox_exporter.ledger.scope import Marks
from sandbox_exporter.ledger.state_file import FORMAT, VERSION, StateFile, encode
from sandbox_exporter.ledger.state_saver import LOOK_EVERY, StateSaver, _collect
from sandbox_exporter.model import Field
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.vendors import identity

if TYPE_CHECKING:
    from tests.unit.conftest import InVirtualTime, VirtualLoop
    from tests.unit.poll.conftest import FakeVendor, MakePolled, Polled

ACCOUNT = Account("prod", "seacloud", "http://127.0.0.1", SecretRef("env", "NONE"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state file is."""
    return tmp_path / "state.json"


@pytest.fixture
def file(path: Path) -> Iterator[StateFile]:
    """The state file, held."""
    file = StateFile(str(path))
    yield file
    file.close()


@pytest.fixture
def polled(
    fake_vendor: type[FakeVendor], make_polled: MakePolled, monkeypatch: pytest.MonkeyPatch
) -> Polled:
    """An account that used something, polled once."""
    vendor = fake_vendor("a")
    vendor.use("a", 5.0)
    polled = make_polled(vendor)
    polled.poll()
    monkeypatch.setattr("time.time", lambda: polled.clocks.wall)
    return polled


def test_marks_are_saved_and_given_back(path: Path, polled: Polled) -> None:
    """The next process starts with the counters of the last one."""

    async def last() -> None:
        saver = StateSaver(StateFile(str(path)), lambda: [polled.poller])
        await saver.close()

    asyncio.run(last())
    file = StateFile(str(path))
    ledger = Ledger(MonthClose())
    StateSaver(file, list).restore(identity(ACCOUNT), ledger)
    assert ledger.marks(polled.clocks.wall) == polled.poller.ledger.marks(polled.clocks.wall)
    file.close()


def test_the_state_file_holds_no_secret(
    path: Path, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key nor the name of its variable is in it."""
    monkeypatch.setenv("NONE", "made-up-key")

    async def save() -> None:
        await StateSaver(StateFile(str(path)), lambda: [polled.poller]).close()

    asyncio.run(save())
    text = path.read_text()
    assert '"a":{"cost_usd":5.0}' in text
    assert "made-up-key" not in text
    assert "NONE" not in text


def test_an_account_that_is_not_configured_keeps_its_marks(path: Path, polled: Polled) -> None:
    """A start that fails half-way, or without an account, erases nothing."""

    async def run() -> None:
        await StateSaver(StateFile(str(path)), lambda: [polled.poller]).close()
        saver = StateSaver(StateFile(str(path)), list)
        saver.restore(identity(ACCOUNT), Ledger(MonthClose()))
        await saver.close()

    asyncio.run(run())
    file = StateFile(str(path))
    assert list(file.load()) == [identity(ACCOUNT)]
    file.close()


def test_saving_takes_a_tenth_of_the_time(
    file: StateFile, polled: Polled, in_virtual_time: InVirtualTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes meanwhile is saved together, and no change means no save."""
    saves: list[float] = []

    async def test(loop: VirtualLoop) -> None:
        saver = StateSaver(file, lambda: [polled.poller])

        async def save() -> None:
            saver._changed.clear()
            saves.append(loop.time())
            await asyncio.sleep(0.2)

        monkeypatch.setattr(saver, "save", save)
        running = asyncio.create_task(saver.run())
        await asyncio.sleep(100)
        for _ in range(50):
            saver.changed()
            await asyncio.sleep(0.1)
        await asyncio.sleep(100)
        running.cancel()

    in_virtual_time(test)
    assert saves == pytest.approx([100.0, 102.2, 104.4, 106.6], abs=1e-6)


@pytest.mark.parametrize("fails", [False, True])
def test_results_are_shown_once_they_are_saved_or_cannot_be(
    file: StateFile, polled: Polled, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Else a kill and a correction would let the counter fall below what was scraped."""
    name = polled.poller.account.name
    saver = StateSaver(file, lambda: [polled.poller])
    shown: list[str] = []
    write = file.save

    def save(texts: dict[str, str], memories: dict[str, str]) -> None:
        saver.publish(name, lambda: shown.append("later"))  # of a poll that ends meanwhile
        assert shown == []
        if fails:
            raise OSError(28, "No space left on device")
        write(texts, memories)

    monkeypatch.setattr(file, "save", save)

    async def test() -> None:
        saver.publish(name, lambda: shown.append("first"))
        await saver.save()
        assert shown == ["first"]
        monkeypatch.setattr(file, "save", write)
        await saver.save()
        assert shown == ["first", "later"]

    asyncio.run(test())


def test_of_two_saves_at_once_each_shows_what_it_saved(
    file: StateFile, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first to end has not saved what the other one is about."""
    saver = StateSaver(file, lambda: [polled.poller])
    shown: list[str] = []
    before: list[list[str]] = []
    write = file.save

    def save(texts: dict[str, str], memories: dict[str, str]) -> None:
        write(texts, memories)
        before.append(list(shown))

    monkeypatch.setattr(file, "save", save)

    async def test() -> None:
        saver.publish("a", lambda: shown.append("a"))
        first = asyncio.create_task(saver.save())
        await asyncio.sleep(0)
        saver.publish("b", lambda: shown.append("b"))
        await asyncio.gather(first, saver.save())

    asyncio.run(test())
    assert before == [[], ["a"]]
    assert shown == ["a", "b"]


def test_what_an_account_published_before_a_reload_is_not_shown_after_it(
    file: StateFile, polled: Polled
) -> None:
    """Whether it waits for a save or is being saved."""
    name = polled.poller.account.name
    saver = StateSaver(file, lambda: [polled.poller])
    shown: list[str] = []

    async def test() -> None:
        saver.publish(name, lambda: shown.append("waits"))
        saver.withdraw(name)
        await saver.save()
        saver.publish(name, lambda: shown.append("is being saved"))
        saving = asyncio.create_task(saver.save())
        await asyncio.sleep(0)
        saver.withdraw(name)
        await saving

    asyncio.run(test())
    assert shown == []


def test_saved_marks_stay_until_the_first_poll_has_ended(
    path: Path, polled: Polled, make_polled: MakePolled
) -> None:
    """A kill in the middle of the first poll must not make births of what is not asked yet."""
    window = polled.poller.window
    assert window is not None
    polled.poller.ledger.record("late", window, {Field.COST_USD: 1.0}, 0.0)
    polled.poller.ledger.release(1.0, 1.0)
    asyncio.run(StateSaver(StateFile(str(path)), lambda: [polled.poller]).close())
    before = path.read_text()
    after = make_polled(polled.vendor)
    saver = StateSaver(StateFile(str(path)), lambda: [after.poller])
    saver.restore(after.poller.identity, after.poller.ledger)
    after.poller.ledger.record(ACCOUNT_SCOPE + "summary", window, {Field.COST_USD: 6.0}, 0.0)
    asyncio.run(saver.save())
    assert path.read_text() == before
    after.poll()
    asyncio.run(saver.close())
    assert '"cost_usd":6.0' in path.read_text()


def test_a_birth_is_saved_when_its_0_was_served(
    file: StateFile,
    polled: Polled,
    in_virtual_time: InVirtualTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a publication in between, and no sooner: only a save allows its value to be shown."""
    name, ledger, window = polled.poller.account.name, polled.poller.ledger, polled.poller.window
    assert window is not None
    ledger.record("new", window, {Field.COST_USD: 2.0}, 100.0)
    served = 99.0

    def saved() -> object:
        (periods,) = file.load().values()
        return periods[str(window.month)].get("new")

    async def at_once(work: Callable[..., object], *arguments: object) -> object:
        return work(*arguments)

    async def test(_: VirtualLoop) -> None:
        nonlocal served
        monkeypatch.setattr("asyncio.to_thread", at_once)  # a thread takes no virtual time
        saver = StateSaver(file, lambda: [polled.poller], served=lambda _: served)
        assert saver.saved(name) == float("-inf")
        saver.changed(name)
        running = asyncio.create_task(saver.run())
        await asyncio.sleep(60)
        assert (saved(), saver.saved(name)) == (None, 99.0)
        served = 101.0
        await asyncio.sleep(3 * LOOK_EVERY)
        assert (saved(), saver.saved(name)) == ({Field.COST_USD: 0.0}, 101.0)
        ledger.release(110.0, saver.saved(name))
        running.cancel()

    in_virtual_time(test)
    assert ledger.show("new", polled.clocks.wall).counters == {Field.COST_USD: 2.0}


def test_a_save_that_fails_knows_no_births(
    file: StateFile, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their zeros end after `zero` then, as without a scrape."""
    saver = StateSaver(file, lambda: [polled.poller], served=lambda _: 5.0)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        asyncio.run(saver.save())
    assert saver.saved("prod") == float("-inf")
    asyncio.run(saver.save())
    assert saver.saved("prod") == 5.0


def test_a_disk_that_fails_is_told_once(
    file: StateFile,
    polled: Polled,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Polling goes on, later saves are tried, and the next trouble is told again."""
    told: list[bool] = []
    saver = StateSaver(file, lambda: [polled.poller], told.append)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    async def saves() -> None:
        for broken in (True, True, False, True):
            with monkeypatch.context() as patched:
                if broken:
                    patched.setattr("os.fsync", full)
                await saver.save()
                assert saver._changed.is_set() is broken

    with caplog.at_level(logging.INFO):
        asyncio.run(saves())
    assert [record.message for record in caplog.records] == [
        "state file not saved",
        "state file saved again",
        "state file not saved",
    ]
    assert told == [False, False, True, False]
    assert not list(file.path.parent.glob(".state.json.new.*"))


def test_only_what_changed_is_written_anew(
    file: StateFile, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll of one account does not have all the others encoded, and none on the event loop."""
    saver = StateSaver(file, lambda: [polled.poller])
    encoded: list[Marks] = []

    def noted(marks: Marks) -> str:
        assert threading.current_thread() is not threading.main_thread()
        encoded.append(marks)
        return encode(marks)

    monkeypatch.setattr("sandbox_exporter.ledger.state_saver.encode", noted)

    async def saves() -> None:
        for account in (None, "other", polled.poller.account.name):
            saver.changed(account)
            await saver.save()

    asyncio.run(saves())
    assert len(encoded) == 2


def test_a_large_account_is_collected_and_written_in_steps(
    file: StateFile, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop runs in between, and no single call encodes more than one scope."""
    window = polled.poller.window
    assert window is not None
    for number in range(3000):
        polled.poller.ledger.record(f"tpl-{number}", window, {Field.COST_USD: 1.0}, 0.0)
    polled.poller.ledger.release(1.0, 1.0)
    turns, sizes = 0, []
    dumps = json.dumps

    def noted(value: object, **options: Any) -> str:
        sizes.append(len(text := dumps(value, **options)))
        return text

    monkeypatch.setattr("json.dumps", noted)

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def save() -> None:
        counting = asyncio.create_task(count())
        marks = await _collect(polled.poller.ledger, polled.clocks.wall, served=0.0)
        counting.cancel()
        encode(marks)

    asyncio.run(save())
    assert turns >= 6
    assert max(sizes) < 200


def test_accounts_that_are_gone_are_forgotten_after_their_month(
    path: Path, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lifetime marks too: a day after the month of the last poll nothing can show them."""
    ledger = polled.poller.ledger
    window = polled.poller.window
    assert window is not None
    ledger.record(ACCOUNT_SCOPE + "usage", window, {Field.SESSIONS: 7.0}, 0.0)
    end = window.month.end

    async def run(now: float, pollers: list[AccountPoller]) -> list[str]:
        monkeypatch.setattr("time.time", lambda: now)
        saver = StateSaver(StateFile(str(path)), lambda: pollers)
        await saver.close()
        return list(saver._texts)

    there = [identity(ACCOUNT)]
    assert asyncio.run(run(polled.clocks.wall, [polled.poller])) == there
    assert asyncio.run(run(end + LONGEST_CLOSE - 1, [])) == there
    assert asyncio.run(run(end + LONGEST_CLOSE, [])) == []


def test_an_old_files_lifetime_marks_are_bounded_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no month was noted, the one of the first save by this version counts."""
    account = {"gone": {"lifetime": {"\0usage": {"sessions": 7.0}}}}
    path.write_text(json.dumps({"format": FORMAT, "version": VERSION, "accounts": account}))

    async def run(now: float) -> list[str]:
        monkeypatch.setattr("time.time", lambda: now)
        saver = StateSaver(StateFile(str(path)), list)
        await saver.close()
        return list(saver._texts)

    now = 1_794_000_000.0
    assert asyncio.run(run(now)) == ["gone"]
    assert asyncio.run(run(Month.at(now).end + LONGEST_CLOSE)) == []


def test_what_makes_an_account_another_one() -> None:
    """Vendor, name, address and scope do; settings of the polling do not."""
    same = replace(ACCOUNT, poll_interval=10.0, api_key=SecretRef("env", "OTHER"))
    assert identity(same) == identity(ACCOUNT)
    for other in (
        replace(ACCOUNT, name="b"),
        replace(ACCOUNT, base_url="http://b"),
        replace(ACCOUNT, options={"project_id": "b"}),
    ):
        assert identity(other) != identity(ACCOUNT)
    # As state files have it since the first version.
    assert identity(ACCOUNT) == "seacloud prod http://127.0.0.1 "
