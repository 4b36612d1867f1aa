"""The pipeline, composed in one place: from a configuration to what is published of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from sandbox_exporter import otlp
from sandbox_exporter.config.model import Account, Config
from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.state_file import StateFile
from sandbox_exporter.ledger.state_saver import StateSaver
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.build import build_poller
from sandbox_exporter.vendors import identity

if TYPE_CHECKING:
    from sandbox_exporter.otlp.telemetry import Telemetry


def compose(config: Config, *, scraped: bool = True, sent: bool = True) -> Pipeline:
    """Everything from a configuration to its publications; nothing runs or is asked yet.

    Without `scraped` no page is served, so that metrics leave over OTLP only; without `sent` they
    never do. Raises `ConfigError` for `OTEL_*` variables that cannot be used, when nothing would
    leave, and for what only using a setting shows; `OSError` for a state file that cannot be had.
    """
    metrics = SelfMetrics()
    metrics.reloaded(time.time(), ok=True)
    publisher = Publisher(metrics)
    telemetry = otlp.connect(publisher, metrics, wanted=config.otlp) if sent else None
    if not scraped and (telemetry is None or not telemetry.sends_metrics):
        message = "is off, and OTLP is not on: no metrics would leave the exporter"
        raise ConfigError([Problem("--web.metrics", message)])
    pipeline = Pipeline(metrics, publisher, telemetry, scraped)
    with ExitStack() as undo:
        if config.state_file:
            file = undo.enter_context(closing(StateFile(config.state_file)))
            saved = lambda ok: metrics.state_saved(ok=ok)  # noqa: E731 - by its name
            pipeline.saver = StateSaver(file, pipeline.all_pollers, saved, pipeline.seen)
        pipeline.pollers = pipeline.build_pollers(config)
        undo.pop_all()
    return pipeline


@dataclass(slots=True)
class Pipeline:
    """What stands between a configuration and those who read its metrics."""

    metrics: SelfMetrics
    """Of the exporter itself."""
    publisher: Publisher
    """Makes the pages of what polls bring."""
    telemetry: Telemetry | None
    """Sends the same over OTLP, if it is on."""
    scraped: bool
    """Whether pages are served."""
    saver: StateSaver | None = None
    """Keeps the counters' marks in the state file, if there is one."""
    pollers: Mapping[str, AccountPoller] = field(default_factory=dict)
    """By the name of the account, in the order of the configuration."""

    def build_pollers(
        self, config: Config, kept: Mapping[str, AccountPoller] | None = None
    ) -> dict[str, AccountPoller]:
        """A poller for each account of a configuration; those in `kept` stay as they are.

        One that still means the same account to its vendor goes on with the counters that it had.
        """
        made = {
            account.name: self._build(account, config)
            for account in config.accounts
            if account.name not in (kept or {})
        }
        return {a.name: (kept or {}).get(a.name) or made[a.name] for a in config.accounts}

    def _build(self, account: Account, config: Config) -> AccountPoller:
        before = self.pollers.get(account.name)
        if before is not None and before.identity == identity(account):
            ledger = before.ledger
        else:
            ledger = Ledger(config.month_close)
            if self.saver is not None:
                self.saver.restore(identity(account), ledger)
        poller = build_poller(
            account,
            config,
            self.metrics.account(account),
            served=partial(self.served, account.name),
            ledger=ledger,
        )
        if self.saver is not None:
            self.saver.recall(poller)
        return poller

    def all_pollers(self) -> Iterable[AccountPoller]:
        """Those of the configuration that holds now."""
        return self.pollers.values()

    def served(self, account: str) -> float:
        """What has been seen of an account, as far as a restart would know it (monotonic)."""
        return self.saver.saved(account) if self.saver else self.seen(account)

    def seen(self, account: str) -> float:
        """When what everybody who is served has seen of an account was taken (monotonic)."""
        scrapes = self.publisher.served(account) if self.scraped else math.inf
        return min(scrapes, self.telemetry.served(account) if self.telemetry else math.inf)
