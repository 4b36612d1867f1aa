"""A vendor of one folder, `tests/acmebox`, and one line: the list of vendors gets it here."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import cast

import httpx
import pytest

from sandbox_exporter.catalogue import catalogue
from sandbox_exporter.client import Limiter
from sandbox_exporter.commands.run import serve as run
from sandbox_exporter.config import checks, from_environment, load_file
from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Month, MonthClose
from sandbox_exporter.ledger.state_file import StateFile
from sandbox_exporter.ledger.state_saver import StateSaver
from sandbox_exporter.model import Field
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.poll.forecast import forecast
from sandbox_exporter.simulator import ServedSimulator, Settings, SimulatedClock, serve
from sandbox_exporter.simulator.faults import Fault, Kind
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.vendors import VENDORS, build, build_client, identity
from sandbox_exporter.vendors.simulated import environment, stand_ins
from scripts import config_doc
from tests.acmebox import ACMEBOX
from tests.acmebox.simulator import Boxes

ROOT = Path(__file__).parents[3]
NOW = 1_794_000_000  # 2026-11-06T21:20Z
pytestmark = pytest.mark.anyio

BY_EVENTS = {"team": "blue", "metering": "events"}


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VENDORS, "acmebox", ACMEBOX)
    monkeypatch.setenv("ACMEBOX_KEY", "sim-box-key")


def test_it_is_configured_by_a_file(tmp_path: Path) -> None:
    """Its own keys are read and checked, and are no other vendor's."""
    path = tmp_path / "config.yml"
    account = "accounts:\n- {name: a, provider: acmebox, api_key: {env: ACMEBOX_KEY}"
    path.write_text(f"{account}, team: blue, metering: events, templates: none}}")
    (read,) = load_file(path, VENDORS).accounts
    assert read.base_url == "https://api.acmebox.example"
    assert read.options == {"team": "blue", "metering": "events"}
    assert read.templates == "none"
    path.write_text(f"{account}, metering: guesses, project_id: p}}")
    with pytest.raises(ConfigError) as caught:
        load_file(path, VENDORS)
    assert {f"{problem.path}: {problem.message}" for problem in caught.value.problems} == {
        "accounts[0].project_id: is a key of provider seacloud, this account is acmebox",
        f"accounts[0].team: is missing, allowed: {config_doc.allowed(checks.slug)}",
        'accounts[0].metering: "guesses" is not one of them, allowed: usage or events',
    }


def test_it_is_configured_by_the_environment() -> None:
    """Its variables stand for its keys; where nothing is set they are among what to set."""
    (account,) = from_environment(VENDORS, {"ACMEBOX_KEY": "k", "ACMEBOX_TEAM": "blue"}).accounts
    assert (account.name, account.provider) == ("acmebox", "acmebox")
    assert account.options == {"team": "blue"}
    with pytest.raises(ConfigError, match="or ACMEBOX_KEY with ACMEBOX_TEAM, or name a file"):
        from_environment(VENDORS, {})


def test_a_vendor_that_is_not_listed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nobody's account, and is sent to nobody with another vendor's headers."""
    monkeypatch.delitem(VENDORS, "acmebox")
    path = tmp_path / "config.yml"
    path.write_text("accounts:\n- {name: a, provider: acmebox, api_key: {env: ACMEBOX_KEY}}\n")
    with pytest.raises(ConfigError, match="not one of them, allowed: seacloud or dreadnode"):
        load_file(path, VENDORS)
    account = Account("a", "acmebox", "http://127.0.0.1", SecretRef("env", "ACMEBOX_KEY"))
    with pytest.raises(KeyError, match="acmebox"):
        build_client(account, Limiter(100), SelfMetrics().account(account))


def test_it_is_documented(metrics_doc: ModuleType) -> None:
    """`make docs` writes its keys, its variables and from what its numbers come."""
    rows = metrics_doc.render(catalogue()).splitlines()
    (total,) = (row for row in rows if "`sandbox_template_vcpu_seconds_total`" in row)
    assert total.endswith("`vcpu_hours` × 3600; Acmebox usage `cpu_seconds`, or events |")
    (cost,) = (row for row in rows if "`sandbox_account_cost_usd_total`" in row)
    assert "Acmebox" not in cost
    page = config_doc.render(config_doc.PAGE.read_text(encoding="utf-8"), VENDORS.values())
    for row in (
        "| Acmebox | `acmebox` | `https://api.acmebox.example` |",
        "| `accounts[].metering` | usage | usage or events | Whether",
        "| `ACMEBOX_TEAM` | its `team`, required with the key |",
        "with `provider: seacloud` or `provider: acmebox`:",
    ):
        assert row in page


@asynccontextmanager
async def simulated(clock: SimulatedClock | None = None) -> AsyncIterator[ServedSimulator]:
    """The simulator of all vendors."""
    async with serve(Settings(stand_ins()), port=0, clock=clock) as simulator:
        yield simulator


async def test_it_is_simulated() -> None:
    """With the environment that polls it, its own way to authenticate and its own error texts."""
    async with simulated() as simulator:
        assert environment(simulator)[-3:] == (
            "ACMEBOX_KEY=sim-box-key",
            f"ACMEBOX_URL={simulator.origin}/acmebox",
            "ACMEBOX_TEAM=blue",
        )
        async with httpx.AsyncClient(base_url=simulator.base_url("acmebox")) as client:
            known = await client.get("/teams/blue/boxes", headers={"X-Box-Key": "sim-box-key"})
            assert known.status_code == 200
            nobody = await client.get("/teams/blue/boxes", headers={"X-API-Key": "sim-box-key"})
            assert (nobody.status_code, nobody.json()) == (401, {"problem": "no such key"})
            assert (await client.get("/nothing")).json() == {"problem": "Not found"}


@pytest.mark.parametrize("metering", ["usage", "events"])
async def test_it_is_shown_in_metrics(metering: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run` serves has its accounts and its templates, whichever way they come about."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with simulated() as simulator:
        for name, value in (line.split("=", 1) for line in environment(simulator)):
            monkeypatch.setenv(name, value)
        variables = {"ACMEBOX_KEY": "k", "ACMEBOX_TEAM": "blue"}
        (account,) = from_environment(VENDORS, variables).accounts
        options = {**account.options, "metering": metering}
        base_url = simulator.base_url("acmebox")
        account = Account("boxes", "acmebox", base_url, account.api_key, options)
        # Without phases of a month's end, whatever day it is.
        config = Config((account,), month_close=MonthClose(0, 0))
        serving = asyncio.create_task(
            run(config, lambda: config, "127.0.0.1:0", announce=address.set_result)
        )
        try:
            async with httpx.AsyncClient(base_url=await address) as client:
                wanted = {
                    'sandbox_up{provider="acmebox",account="boxes"} 1',
                    'sandbox_account_vcpu_seconds_total{provider="acmebox",account="boxes"}',
                    'sandbox_account_running_sandboxes{provider="acmebox",account="boxes"}',
                    'sandbox_template_vcpu_seconds_total{provider="acmebox",account="boxes",temp',
                    'sandbox_exporter_api_requests_total{account="boxes",code="200",endpoint="us',
                }
                async with asyncio.timeout(60):
                    while wanted:
                        text = (await client.get("/metrics")).text
                        wanted = {line for line in wanted if line not in text}
                        await asyncio.sleep(0.05)
        finally:
            serving.cancel()
            await asyncio.wait([serving])


@dataclass
class Polled:
    """One account of the vendor, polled at moments that the test chooses."""

    simulator: ServedSimulator
    options: dict[str, str] = field(default_factory=lambda: {"team": "blue"})
    templates: tuple[str, ...] = ()
    state: Path | None = None
    limit: int = 10_000
    clock: float = 0.0
    poller: AccountPoller | None = None
    saver: StateSaver | None = None

    @property
    def now(self) -> float:
        """The time of the exporter and of the vendor."""
        return self.simulator.simulation.clock.now()

    def start(self) -> AccountPoller:
        """Starts as a new process would."""
        account = Account(
            "boxes",
            "acmebox",
            self.simulator.base_url("acmebox"),
            SecretRef("env", "ACMEBOX_KEY"),
            self.options,
            templates=self.templates or "discover",
            max_requests_per_minute=self.limit,
        )
        observer, limiter = SelfMetrics().account(account), Limiter(self.limit)
        client = build_client(account, limiter, observer)
        timing = Timing(wall=lambda: self.now, clock=lambda: self.clock)
        provider, ledger = build(account, client), Ledger(timing.close)
        if self.state is not None:
            self.saver = StateSaver(StateFile(str(self.state)), self._pollers)
            self.saver.restore(identity(account), ledger)
        upstream = Upstream(provider, client, limiter)
        self.poller = AccountPoller(account, upstream, ledger, timing, observer, lambda: math.inf)
        if self.saver is not None:
            self.saver.recall(self.poller)
        return self.poller

    def _pollers(self) -> list[AccountPoller]:
        return [self.poller] if self.poller else []

    async def stop(self) -> None:
        """Ends as a process does."""
        if self.saver is not None:
            await self.saver.close()
        if self.poller is not None:
            await self.poller.client.aclose()
        self.poller = self.saver = None

    async def poll(self, after: float = 60) -> AccountSnapshot:
        """Polls so many seconds later."""
        self.clock += after
        self.simulator.simulation.clock.set(now=self.now + after)
        poller = self.poller or self.start()
        await poller.poll()
        return poller.snapshot()

    def exact(self, end: float | None = None) -> dict[str, float]:
        """The vCPU seconds of the month by box."""
        boxes = cast(Boxes, self.simulator.simulation.worlds["boxes"])
        now = self.now if end is None else end
        return boxes.cpu_seconds(Month.at(now - 1).start, now)


def shown(snapshot: AccountSnapshot) -> dict[str, float]:
    """The vCPU counters of the templates."""
    return {
        entry.template.id: entry.usage.counters[Field.VCPU_SECONDS] for entry in snapshot.templates
    }


@pytest.fixture
async def polled() -> AsyncIterator[Polled]:
    """The account at a vendor whose clock stands at `NOW`."""
    clock = SimulatedClock()
    clock.set(now=NOW, speed=0)
    async with AsyncExitStack() as stack:
        polled = Polled(await stack.enter_async_context(simulated(clock)))
        stack.push_async_callback(polled.stop)
        yield polled


async def test_one_answer_holds_the_breakdown(polled: Polled) -> None:
    """Two calls a poll bring account and all templates for one and the same window."""
    snapshot = await polled.poll(0)
    assert shown(snapshot) == pytest.approx(polled.exact())
    total = sum(polled.exact().values())
    assert snapshot.usage.counters[Field.VCPU_SECONDS] == pytest.approx(total)
    calls = polled.simulator.simulation.journal.calls("boxes")
    assert [call.route for call in calls] == ["usage", "boxes"]
    assert calls[0].params == calls[1].params
    before, after = shown(snapshot), shown(await polled.poll(1800))
    assert after == pytest.approx(polled.exact())
    assert all(after[box] > before[box] for box in before)


@pytest.mark.parametrize("metering", ["usage", "events"])
async def test_the_calls_that_are_predicted_are_made(polled: Polled, metering: str) -> None:
    """Either way costs two calls a poll, and `check` says so."""
    polled.options["metering"] = metering
    for _ in range(3):
        await polled.poll()
    assert polled.poller is not None
    predicted = forecast(polled.poller.account, polled.poller.provider)
    assert predicted.least == predicted.most == 120
    assert len(polled.simulator.simulation.journal.calls("boxes")) == 6


async def test_only_the_chosen_templates_are_shown(polled: Polled) -> None:
    """The answer has more; they are left out."""
    polled.templates = ("red",)
    snapshot = await polled.poll()
    assert shown(snapshot) == pytest.approx({"red": polled.exact()["red"]})
    assert snapshot.templates_known == 1


async def test_a_breakdown_that_fails_fails_alone(polled: Polled) -> None:
    """The account's totals go on; the templates stay until they are stale, and say why."""
    await polled.poll()
    faults = polled.simulator.simulation.faults
    faults.put(Fault(Kind.STATUS, route="boxes", status=403))
    before = polled.exact()
    snapshot = await polled.poll()
    assert snapshot.usage.counters[Field.VCPU_SECONDS] == sum(polled.exact().values())
    assert shown(snapshot) == pytest.approx(before)
    assert snapshot.error == "template_summary: forbidden: HTTP 403 Forbidden: simulated fault"
    assert snapshot.up is True
    polled.clock += 301
    assert polled.poller is not None
    assert polled.poller.snapshot().templates == ()
    faults.clear()
    assert shown(await polled.poll()) == pytest.approx(polled.exact())


async def test_a_breakdown_that_cannot_be_asked_is_no_success(polled: Polled) -> None:
    """Where the account's own call used up the request limit, the templates are not vouched for."""
    polled.limit = 1
    snapshot = await polled.poll()
    assert snapshot.usage.counters[Field.VCPU_SECONDS] == sum(polled.exact().values())
    assert snapshot.templates == ()
    assert snapshot.error == "template_summary: timeout: not asked: no time or requests are left"
    assert polled.poller is not None
    assert polled.poller.cut_short is True


@pytest.mark.parametrize("metering", ["usage", "events"])
async def test_the_turn_of_the_month_loses_nothing(polled: Polled, metering: str) -> None:
    """The closed month's final totals, then 0, then the new month, by template too."""
    polled.options["metering"] = metering
    end = Month.at(NOW).end
    polled.simulator.simulation.clock.set(now=Month.at(NOW).start + 600)
    while polled.now < end - 1200:
        snapshot = await polled.poll(min(43_200, end - 1200 - polled.now))
        assert snapshot.error == ""
    before = shown(await polled.poll(0))
    assert before == pytest.approx(polled.exact())
    final = shown(await polled.poll(1260))
    assert final == pytest.approx(polled.exact(end))
    assert final["blue"] > before["blue"]

    assert set(shown(await polled.poll(300)).values()) == {0.0}
    assert shown(await polled.poll(300)) == pytest.approx(polled.exact())


async def test_an_outage_over_the_turn_of_the_month_loses_nothing(
    polled: Polled, tmp_path: Path
) -> None:
    """With a state file the closed month's final totals are asked for later, by template too."""
    polled.state = tmp_path / "state.json"
    end = Month.at(NOW).end
    await polled.poll(end - 1200 - NOW)
    faults = polled.simulator.simulation.faults
    faults.put(Fault(Kind.STATUS, status=403))
    await polled.poll(600)
    await polled.poll(1200)
    faults.clear()
    late = await polled.poll(60)
    assert shown(late) == pytest.approx(polled.exact(end))
    assert late.usage.counters[Field.VCPU_SECONDS] == sum(polled.exact(end).values())
    assert set(shown(await polled.poll(360)).values()) == {0.0}
    assert shown(await polled.poll(360)) == pytest.approx(polled.exact())


async def test_metered_usage_survives_restarts(polled: Polled, tmp_path: Path) -> None:
    """Nothing is lost or counted twice, over restarts, an outage, and events told again."""
    polled.options = BY_EVENTS
    polled.state = tmp_path / "state.json"
    start = Month.at(NOW).start
    polled.simulator.simulation.clock.set(now=start + 900)
    for hour in range(30):
        for _ in range(3):
            snapshot = await polled.poll(1200)
        assert shown(snapshot) == pytest.approx(polled.exact())
        assert snapshot.usage.counters[Field.VCPU_SECONDS] == pytest.approx(
            sum(polled.exact().values())
        )
        if hour % 5 == 0:
            await polled.stop()
            document = json.loads(polled.state.read_text())
            (identity,) = document["providers"]
            assert identity == f"acmebox boxes {polled.simulator.base_url('acmebox')} blue"
        if hour == 10:
            await polled.poll(7200)


async def test_without_a_state_file_a_restart_forgets(polled: Polled, tmp_path: Path) -> None:
    """The vendor keeps a day of events, so two days later part of the month is gone: no promise."""
    polled.options = BY_EVENTS
    start = Month.at(NOW).start
    polled.simulator.simulation.clock.set(now=start + 900)
    for _ in range(60):
        snapshot = await polled.poll(3600)
    assert shown(snapshot) == pytest.approx(polled.exact())
    await polled.stop()
    assert sum(shown(await polled.poll()).values()) < sum(polled.exact().values())


async def test_a_reload_keeps_what_was_counted(polled: Polled) -> None:
    """A poller that takes another's place goes on from what its provider knew."""
    polled.options = BY_EVENTS
    polled.simulator.simulation.clock.set(now=Month.at(NOW).start + 900)
    for _ in range(60):
        await polled.poll(3600)
    before = polled.poller
    assert before is not None
    await before.client.aclose()
    polled.start().resume(before)
    assert shown(await polled.poll()) == pytest.approx(polled.exact())


async def test_a_memory_that_is_not_understood_is_said(
    polled: Polled, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The account starts anew, and one log line tells."""
    polled.options = BY_EVENTS
    polled.state = tmp_path / "state.json"
    await polled.poll()
    await polled.stop()
    document = json.loads(polled.state.read_text())
    document["providers"] = {key: {"other": 1} for key in document["providers"]}
    polled.state.write_text(json.dumps(document))
    snapshot = await polled.poll()
    assert snapshot.up
    assert "what the provider had to remember is not understood" in caplog.text
