"""The daemon: accounts polled on their tasks, what they publish rendered, reloads in one go."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial

from sandbox_exporter import otlp
from sandbox_exporter.config.model import Config
from sandbox_exporter.errors import ConfigError, Problem, UpstreamError
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.poll.account import AccountPoller, Timing
from sandbox_exporter.poll.build import build_poller
from sandbox_exporter.poll.keeper import Keeper
from sandbox_exporter.poll.ledger import Ledger
from sandbox_exporter.poll.schedule import Schedule
from sandbox_exporter.poll.state import StateFile
from sandbox_exporter.secret import Secret
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.supervisor import INTERNAL_ERROR, FaultLog, end, heed_cancellation
from sandbox_exporter.vendors import identity

_STAGGER = 0.01
"""Seconds between the first polls of two accounts: less than what the CPU has to do for one, so
that the last is not later, and the first are not slowed down by all others."""

log = logging.getLogger("sandbox_exporter")


class Daemon:
    """Polls every account of a configuration and publishes what they say."""

    def __init__(self, config: Config, load: Callable[[], Config], *, scraped: bool = True) -> None:
        """`load` reads the configuration anew for a reload; it may raise `ConfigError`.

        Without `scraped` no page is rendered, so that metrics leave over OTLP only. Raises
        `ConfigError` for `OTEL_*` variables that cannot be used, and when nothing would leave.
        """
        self._load = load
        self._config = config
        self._metrics = SelfMetrics()
        self._metrics.reloaded(time.time(), ok=True)
        self.web_reloaded = self._metrics.web_reloaded
        """Is told whether a changed web configuration is in force."""
        self.publisher = Publisher(self._metrics)
        self._scraped = scraped
        self._telemetry = otlp.connect(self.publisher, self._metrics, wanted=config.otlp)
        if not scraped and (self._telemetry is None or not self._telemetry.sends_metrics):
            message = "is off, and OTLP is not on: no metrics would leave the exporter"
            raise ConfigError([Problem("--web.metrics", message)])
        self._pollers: dict[str, AccountPoller] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._background: list[asyncio.Task[None]] = []
        self._keeper: Keeper | None = None
        self._reloading = asyncio.Lock()
        self._swaps: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._faults = FaultLog()
        self.failed = asyncio.Event()
        """Set when a task that should never end has ended: there is nothing left to wait for."""

    async def start(self) -> None:
        """Starts polling; the first poll of each account begins at once.

        Raises `ConfigError` for what only using a setting shows, such as a proxy variable, and
        `OSError` for a state file that cannot be had.
        """
        if self._config.state_file:
            file = StateFile(self._config.state_file)
            self._keeper = Keeper(
                file, self._all_pollers, lambda ok: self._metrics.state_saved(ok=ok), self._seen
            )
            self._background.append(self._spawn("state file", self._keeper.run))
        self._pollers = self._build(self._config)
        if self._scraped:
            self._background.append(self._spawn("publisher", self.publisher.run, attempts=3))
        if self._telemetry is not None:
            self._telemetry.start()
        self._run(self._config)

    async def stop(self) -> None:
        """Ends a reload and all polls under way and closes their connections; nothing starts after.

        What cannot be closed is logged and keeps nothing else from being closed.
        """
        self._stopped = True
        await end([*self._swaps, *self._tasks.values(), *self._background])
        if self._keeper is not None:
            await self._close("state file", self._keeper.close())
        if self._telemetry is not None:
            await self._close("OTLP", self._telemetry.close())
        for poller in self._pollers.values():
            await self._close("client", poller.client.aclose())

    async def reload(self) -> None:
        """Swaps the whole configuration, or raises `ConfigError` and keeps the old one.

        Accounts that did not change go on as they are, with their secrets read anew; of those that
        changed, the ones that still mean the same vendor account keep their counters and, until
        they are stale, their numbers. Who asked may go away meanwhile: a reload is never left half.
        """
        async with self._reloading:
            if self._stopped:
                raise _ending()
            swap = asyncio.create_task(self._swap())
            self._swaps.add(swap)
            swap.add_done_callback(self._swaps.discard)
            try:
                await asyncio.shield(swap)
            except asyncio.CancelledError:
                heed_cancellation()
                raise _ending() from None
            except ConfigError:
                self._metrics.reloaded(time.time(), ok=False)
                raise
            except Exception as fault:
                self._metrics.reloaded(time.time(), ok=False)
                log.exception("reload ended by a fault")
                raise ConfigError([Problem("", INTERNAL_ERROR)]) from fault

    async def _swap(self) -> None:
        config = await asyncio.to_thread(self._load)
        for key in ("state_file", "otlp"):
            if getattr(config, key) != getattr(self._config, key):
                raise ConfigError([Problem(key, "cannot change without a restart")])
        kept = self._unchanged(config)
        secrets = await asyncio.to_thread(_read_secrets, kept.values())
        built = self._build(config, kept)
        # From here on nothing is refused.
        for name, secret in secrets.items():
            kept[name].client.use(secret)
        replaced = [poller for name, poller in self._pollers.items() if name not in kept]
        await end([self._tasks.pop(poller.account.name) for poller in replaced])
        labels = {(account.provider, account.name) for account in config.accounts}
        for poller in replaced:
            successor = built.get(poller.account.name)
            if successor is not None and successor.ledger is poller.ledger:
                successor.resume(poller)
            if (poller.account.provider, poller.account.name) not in labels:
                self._metrics.forget(poller.account)
        self._config = config
        self._pollers = {a.name: kept.get(a.name) or built[a.name] for a in config.accounts}
        self._metrics.reloaded(time.time(), ok=True)
        self._run(config)
        log.info("configuration reloaded", extra={"accounts": len(config.accounts)})
        for poller in replaced:
            await self._close("client", poller.client.aclose())

    async def _close(self, name: str, closing: Coroutine[object, object, None]) -> None:
        with suppress(UpstreamError):  # a fault, which is logged
            await self._faults.contain(name, closing)

    def _spawn(
        self, name: str, work: Callable[[], Awaitable[None]], *, attempts: int = 0
    ) -> asyncio.Task[None]:
        """Starts a task that never ends by itself; the last of `attempts` fails the daemon."""
        task = asyncio.create_task(self._faults.supervise(name, work, attempts=attempts), name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("a task ended by a fault", exc_info=task.exception())
            self.failed.set()

    def _all_pollers(self) -> Iterable[AccountPoller]:
        return self._pollers.values()

    def _publish(self, account: AccountSnapshot) -> None:
        self.publisher.publish(account)
        if self._keeper is not None:
            self._keeper.changed(account.account)

    def _unchanged(self, config: Config) -> dict[str, AccountPoller]:
        """Pollers that a new configuration would make just the same."""
        if (config.month_close, config.stale_after) != (
            self._config.month_close,
            self._config.stale_after,
        ):
            return {}
        before = {account.name: account for account in self._config.accounts}
        return {
            account.name: self._pollers[account.name]
            for account in config.accounts
            if account == before.get(account.name)
        }

    def _build(
        self, config: Config, kept: dict[str, AccountPoller] | None = None
    ) -> dict[str, AccountPoller]:
        """New pollers for all accounts but those in `kept`."""
        built: dict[str, AccountPoller] = {}
        for account in config.accounts:
            if account.name in (kept or {}):
                continue
            before = self._pollers.get(account.name)
            if before is not None and identity(before.account) == identity(account):
                ledger = before.ledger
            else:
                ledger = Ledger(config.month_close)
                if self._keeper is not None:
                    self._keeper.restore(account, ledger)
            built[account.name] = build_poller(
                account,
                config,
                self._metrics.account(account),
                served=partial(self._served, account.name),
                ledger=ledger,
            )
            if self._keeper is not None:
                self._keeper.recall(account, built[account.name].provider)
        return built

    def _served(self, account: str) -> float:
        """What has been seen of an account, as far as a restart would know it (monotonic)."""
        return self._keeper.saved(account) if self._keeper else self._seen(account)

    def _seen(self, account: str) -> float:
        """When what everybody who is served has seen of an account was taken (monotonic)."""
        scrapes = self.publisher.served(account) if self._scraped else math.inf
        return min(scrapes, self._telemetry.served(account) if self._telemetry else math.inf)

    def _run(self, config: Config) -> None:
        """Starts the tasks of accounts that have none, and shows what is known of each."""
        self.publisher.restart(self._pollers[a.name].snapshot() for a in config.accounts)
        for index, account in enumerate(config.accounts):
            if account.name not in self._tasks:
                schedule = Schedule(
                    self._pollers[account.name],
                    self._publish,
                    Timing(config.month_close, config.stale_after),
                    place=index / len(config.accounts),
                    traced=self._telemetry.traced if self._telemetry else None,
                    delay=index * _STAGGER,
                )
                name = f"account {account.name}"
                self._tasks[account.name] = self._spawn(name, schedule.run)


def _read_secrets(pollers: Iterable[AccountPoller]) -> dict[str, Secret]:
    """The secrets by account, all of them or none."""
    secrets: dict[str, Secret] = {}
    for poller in pollers:
        try:
            secrets[poller.account.name] = poller.client.read_secret()
        except ValueError as error:
            raise ConfigError([Problem(f"account {poller.account.name}", str(error))]) from None
    return secrets


def _ending() -> ConfigError:
    return ConfigError([Problem("", "the exporter is ending, nothing is reloaded")])
