from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from sandbox_exporter.commands.cli import main
from sandbox_exporter.commands.run import _spare_what_first_polls_made
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.snapshot import AccountSnapshot, Snapshot
from sandbox_exporter.web import live

if TYPE_CHECKING:
    from sandbox_exporter.daemon import Daemon
    from tests.unit.commands.conftest import Vendor

COST = 'sandbox_account_cost_usd_total{provider="seacloud",account="prod"} 5.0'


class Outside:
    """What a user does while the daemon runs: asks for pages and sends signals."""

    def __init__(self, address: str) -> None:
        self._client = httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=120)
        self.over = False
        """Whether the daemon ended."""

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page; 0 while nobody listens."""
        try:
            answer = self._client.get(path)
        except httpx.TransportError:
            return 0, ""
        return answer.status_code, answer.text

    def post(self, path: str) -> int:
        """The status of a POST."""
        return self._client.post(path).status_code

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something to come true."""
        deadline = time.monotonic() + 120
        while not condition():
            assert not self.over, "the daemon ended"
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.005)

    def signal(self, number: signal.Signals) -> None:
        """Sends this process a signal."""
        os.kill(os.getpid(), number)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


Run = Callable[..., int]


@pytest.fixture
def run(config_file: Path) -> Iterator[Run]:
    """Runs the daemon in this thread, and what a user does in another, until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    outside = Outside(address)
    faults: list[BaseException] = []

    def run(
        doing: Callable[[Outside], None], *flags: str, end: signal.Signals = signal.SIGTERM
    ) -> int:
        def use() -> None:
            try:
                outside.until(lambda: COST in outside.get("/metrics")[1])
                doing(outside)
            except BaseException as fault:  # noqa: BLE001 - raised in the test's own thread
                faults.append(fault)
            finally:
                # While no daemon handles it, a signal would end the tests themselves.
                while not outside.over and not outside.get("/-/healthy")[0]:
                    time.sleep(0.005)
                if not outside.over:
                    outside.signal(end)

        outside.over = False
        user = threading.Thread(target=use)
        user.start()
        try:
            status = main(
                ["run", "--config.file", str(config_file), "--web.listen-address", address, *flags]
            )
        finally:
            outside.over = True
            user.join()
        if faults:
            raise faults[0]
        return status

    yield run
    outside.close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_daemon_in_good_order(
    run: Run, end: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 0, and the log says so without showing the key."""

    def look(outside: Outside) -> None:
        assert outside.get("/-/healthy")[0] == 200
        assert outside.get("/-/ready")[0] == 200

    assert run(look, end=end) == 0
    log = capsys.readouterr().err
    assert "msg=serving" in log
    assert "msg=ended" in log
    assert "made-up-key" not in log


def test_sighup_reloads_the_configuration(
    run: Run, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A good one is taken; a bad one is refused, logged, and the old one goes on."""

    def reload(outside: Outside) -> None:
        good = config_file.read_text()
        config_file.write_text(good + "    budget_usd: 9\n")
        outside.signal(signal.SIGHUP)
        outside.until(lambda: "sandbox_account_budget_usd" in outside.get("/metrics")[1])
        config_file.write_text("accounts: many")
        outside.signal(signal.SIGHUP)
        refused = "reload refused"
        seen = ""

        def told() -> bool:
            nonlocal seen
            seen += capsys.readouterr().err
            return refused in seen

        outside.until(told)
        assert "accounts: " in seen
        assert COST in outside.get("/metrics")[1]

    assert run(reload) == 0


def test_secret_files_are_read_anew_on_sighup(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, config_file: Path
) -> None:
    """A rotated key is used by the next poll."""

    def rotate(outside: Outside) -> None:
        monkeypatch.setenv("VENDOR_KEY", "another-key")
        with config_file.open("a") as file:
            file.write("    budget_usd: 9\n")
        outside.signal(signal.SIGHUP)
        outside.until(lambda: "another-key" in vendor.keys)

    assert run(rotate) == 0


def test_a_post_reloads_only_where_it_is_allowed(run: Run) -> None:
    """Without --web.enable-lifecycle it is refused."""

    def post(outside: Outside) -> None:
        assert outside.post("/-/reload") == 200

    def refused(outside: Outside) -> None:
        assert outside.post("/-/reload") in {403, 404, 405}

    assert run(post, "--web.enable-lifecycle") == 0
    assert run(refused) == 0


def test_a_refused_web_configuration_reaches_the_metric(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server tells the daemon, which has the metric."""
    told: list[bool] = []
    monkeypatch.setattr(SelfMetrics, "web_reloaded", lambda _, ok: told.append(ok))
    monkeypatch.setattr(live, "LOOK_EVERY", 0.0)
    web = tmp_path / "web.yml"
    web.write_text("http_server_config: {}\n")

    def spoil(outside: Outside) -> None:
        web.write_text("nonsense: 1\n")
        assert outside.get("/-/healthy")[0] == 200
        assert told == [False]

    assert run(spoil, "--web.config.file", str(web)) == 0


def test_a_web_configuration_is_used(run: Run, tmp_path: Path) -> None:
    """Its headers are on every answer."""
    web = tmp_path / "web.yml"
    web.write_text('http_server_config:\n  headers:\n    X-Frame-Options: "deny"\n')

    def look(outside: Outside) -> None:
        assert outside._client.get("/-/healthy").headers["X-Frame-Options"] == "deny"

    assert run(look, "--web.config.file", str(web)) == 0


def test_scrapes_cause_no_upstream_call(run: Run, vendor: Vendor) -> None:
    """However many there are."""

    def scrape(outside: Outside) -> None:
        outside.until(lambda: outside.get("/-/ready")[0] == 200)
        asked = len(vendor.keys)
        for _ in range(100):
            outside.get("/metrics")
        assert len(vendor.keys) == asked

    assert run(scrape) == 0


def test_what_first_polls_made_is_spared_collections() -> None:
    """A look at a thousand accounts would hold up scrapes."""
    snapshots = [Snapshot((AccountSnapshot("seacloud", "a"),)), Snapshot()]
    publisher = SimpleNamespace(snapshot=snapshots[0])
    daemon = cast("Daemon", SimpleNamespace(publisher=publisher))

    async def ready_later() -> None:
        sparing = asyncio.create_task(_spare_what_first_polls_made(daemon))
        await asyncio.sleep(0)
        assert gc.get_freeze_count() == 0, "not before all are tried"
        publisher.snapshot = snapshots[1]
        await sparing

    gc.unfreeze()
    asyncio.run(ready_later())
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
