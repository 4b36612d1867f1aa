from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox_exporter.billing import MonthClose
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.poll.keeper import SAVE_EVERY, Keeper, identity
from sandbox_exporter.poll.ledger import Ledger
from sandbox_exporter.poll.state import StateFile

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
        keeper = Keeper(StateFile(str(path)), lambda: [polled.poller])
        await keeper.close()

    asyncio.run(last())
    file = StateFile(str(path))
    ledger = Ledger(MonthClose())
    Keeper(file, list).restore(ACCOUNT, ledger)
    assert ledger.marks(polled.clocks.wall) == polled.poller.ledger.marks(polled.clocks.wall)
    file.close()


def test_the_state_file_holds_no_secret(
    path: Path, polled: Polled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key nor the name of its variable is in it."""
    monkeypatch.setenv("NONE", "made-up-key")

    async def save() -> None:
        await Keeper(StateFile(str(path)), lambda: [polled.poller]).close()

    asyncio.run(save())
    text = path.read_text()
    assert '"a":{"cost_usd":5.0}' in text
    assert "made-up-key" not in text
    assert "NONE" not in text


def test_an_account_that_is_not_configured_keeps_its_marks(path: Path, polled: Polled) -> None:
    """A start that fails half-way, or without an account, erases nothing."""

    async def run() -> None:
        await Keeper(StateFile(str(path)), lambda: [polled.poller]).close()
        keeper = Keeper(StateFile(str(path)), list)
        keeper.restore(ACCOUNT, Ledger(MonthClose()))
        await keeper.close()

    asyncio.run(run())
    file = StateFile(str(path))
    assert list(file.load()) == [identity(ACCOUNT)]
    file.close()


def test_saves_are_some_seconds_apart(
    file: StateFile,
    path: Path,
    polled: Polled,
    in_virtual_time: InVirtualTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Changes in between are saved together, and no change means no save."""
    saves: list[float] = []

    async def test(loop: VirtualLoop) -> None:
        keeper = Keeper(file, lambda: [polled.poller])

        async def save() -> None:
            keeper._changed.clear()
            saves.append(loop.time())

        monkeypatch.setattr(keeper, "save", save)
        running = asyncio.create_task(keeper.run())
        await asyncio.sleep(100)
        for _ in range(10):
            keeper.changed()
            await asyncio.sleep(1)
        await asyncio.sleep(100)
        running.cancel()

    in_virtual_time(test)
    assert [round(moment) for moment in saves] == [100, 100 + SAVE_EVERY, 100 + 2 * SAVE_EVERY]


def test_a_disk_that_fails_is_told_once(
    file: StateFile, polled: Polled, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Polling goes on, later saves are tried, and the next trouble is told again."""
    keeper = Keeper(file, lambda: [polled.poller])
    blocked = tmp_path / "state.json.new"

    async def saves() -> None:
        blocked.mkdir()
        await keeper.save()
        await keeper.save()
        blocked.rmdir()
        await keeper.save()
        blocked.mkdir()
        await keeper.save()

    with caplog.at_level(logging.WARNING):
        asyncio.run(saves())
    assert [record.message for record in caplog.records] == ["state file not saved"] * 2


def test_what_makes_an_account_another_one() -> None:
    """Vendor, name, address and scope do; settings of the polling do not."""
    same = replace(ACCOUNT, poll_interval=10.0, api_key=SecretRef("env", "OTHER"))
    assert identity(same) == identity(ACCOUNT)
    for other in (
        replace(ACCOUNT, name="b"),
        replace(ACCOUNT, base_url="http://b"),
        replace(ACCOUNT, project_id="b"),
    ):
        assert identity(other) != identity(ACCOUNT)
