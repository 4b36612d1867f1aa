"""The daemon: accounts polled on their tasks, what they publish rendered, reloads in one go."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial

from sandbox_exporter.config.model import Config
from sandbox_exporter.errors import ConfigError, Problem, UpstreamError
from sandbox_exporter.pipeline import compose
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing
from sandbox_exporter.poll.schedule import Line, Schedule, watch_clock
from sandbox_exporter.secret import Secret
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.supervisor import INTERNAL_ERROR, FaultLog, end, heed_cancellation

log = logging.getLogger("sandbox_exporter")


class Daemon:
    """Polls every account of a pipeline and publishes what they say."""

    def __init__(self, config: Config, load: Callable[[], Config], *, scraped: bool = True) -> None:
        """`load` reads the configuration anew for a reload; it may raise `ConfigError`.

        Raises what `compose` raises.
        """
        self._load = load
        self._config = config
        self._pipeline = compose(config, scraped=scraped)
        self._metrics = self._pipeline.metrics
        self.web_reloaded = self._metrics.web_reloaded
        """Is told whether a changed web configuration is in force."""
        self.publisher = self._pipeline.publisher
        self._schedules: dict[str, Schedule] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._line = Line()
        self._background: list[asyncio.Task[None]] = []
        self._reloading = asyncio.Lock()
        self._swaps: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._faults = FaultLog()
        self.failed = asyncio.Event()
        """Set when a task that should never end has ended: there is nothing left to wait for."""

    async def start(self) -> None:
        """Starts polling; the first poll of each account begins at once."""
        pipeline = self._pipeline
        if pipeline.saver is not None:
            self._background.append(self._spawn("state file", pipeline.saver.run))
        if pipeline.scraped:
            self._background.append(self._spawn("publisher", self.publisher.run, attempts=3))
        if pipeline.telemetry is not None:
            pipeline.telemetry.start()
        self._run(self._config)
        self._background.append(self._spawn("clock", self._watch_clock))

    async def stop(self) -> None:
        """Ends a reload and all polls under way and closes their connections; nothing starts after.

        What cannot be closed is logged and keeps nothing else from being closed.
        """
        self._stopped = True
        await end([*self._swaps, *self._tasks.values(), *self._background])
        pipeline = self._pipeline
        if pipeline.saver is not None:
            await self._contained("state file", pipeline.saver.close())
        if pipeline.telemetry is not None:
            await self._contained("OTLP", pipeline.telemetry.close())
        for poller in pipeline.pollers.values():
            await self._contained("client", poller.client.aclose())

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
        built = self._pipeline.build_pollers(config, kept)
        # From here on nothing is refused.
        for name, secret in secrets.items():
            kept[name].client.use(secret)
        replaced = [p for name, p in self._pipeline.pollers.items() if name not in kept]
        await end([self._unschedule(poller.name) for poller in replaced])
        await self._save(replaced)
        labels = {(account.provider, account.name) for account in config.accounts}
        for poller in replaced:
            successor = built.get(poller.account.name)
            if successor is not None and successor.ledger is poller.ledger:
                successor.resume(poller)
            if (poller.account.provider, poller.account.name) not in labels:
                self._metrics.forget(poller.account)
        self._config = config
        self._pipeline.pollers = built
        self._metrics.reloaded(time.time(), ok=True)
        self._run(config)
        log.info("configuration reloaded", extra={"accounts": len(config.accounts)})
        for poller in replaced:
            await self._contained("client", poller.client.aclose())
        if replaced:
            gc.unfreeze()  # they may be among what `freeze` spared collections

    async def _save(self, ended: Sequence[AccountPoller]) -> None:
        """Saves what polls have brought that ended, published or not: it is about to be shown."""
        saver = self._pipeline.saver
        if saver is None or not ended:
            return
        for poller in ended:
            saver.withdraw(poller.name)
            saver.changed(poller.name)
        await self._contained("state file", saver.save())

    async def _contained(self, name: str, work: Coroutine[object, object, None]) -> None:
        with suppress(UpstreamError):  # a fault, which is logged
            await self._faults.contain(name, work)

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

    def _unschedule(self, account: str) -> asyncio.Task[None]:
        del self._schedules[account]
        return self._tasks.pop(account)

    async def _watch_clock(self) -> None:
        await watch_clock(self._schedules.values)

    def _publish(self, account: AccountSnapshot) -> None:
        """Shows an account's results; with a state file once they are saved."""
        show = partial(self.publisher.publish, account, time.monotonic())
        if self._pipeline.saver is None:
            show()
        else:
            self._pipeline.saver.publish(account.account, show)

    def _unchanged(self, config: Config) -> dict[str, AccountPoller]:
        """Pollers that a new configuration would make just the same."""
        if (config.month_close, config.stale_after) != (
            self._config.month_close,
            self._config.stale_after,
        ):
            return {}
        before = {account.name: account for account in self._config.accounts}
        return {
            account.name: self._pipeline.pollers[account.name]
            for account in config.accounts
            if account == before.get(account.name)
        }

    def _run(self, config: Config) -> None:
        """Starts the tasks of accounts that have none, and shows what is known of each.

        Of those that go on it stays what they published last.
        """
        pipeline = self._pipeline
        shown = {account.account: account for account in self.publisher.snapshot.accounts}
        self.publisher.restart(
            shown[name] if name in self._tasks else poller.snapshot()
            for name, poller in pipeline.pollers.items()
        )
        for index, account in enumerate(config.accounts):
            if account.name not in self._tasks:
                self._schedules[account.name] = schedule = Schedule(
                    pipeline.pollers[account.name],
                    self._publish,
                    Timing(config.month_close, config.stale_after),
                    place=index / len(config.accounts),
                    traced=pipeline.telemetry.traced if pipeline.telemetry else None,
                    line=self._line,
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
