"""An account poller put together from a configuration."""

from __future__ import annotations

from collections.abc import Callable

from sandbox_exporter.client import Limiter
from sandbox_exporter.config.model import Account, Config
from sandbox_exporter.errors import ConfigError, Problem
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.poll.observer import ContainedObserver, PollObserver
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors import build, build_client


def build_poller(
    account: Account,
    config: Config,
    observer: PollObserver,
    *,
    served: Callable[[], float],
    ledger: Ledger | None = None,
) -> AccountPoller:
    """A poller for one account; `ledger` continues the counters of one that it replaces.

    Raises `ConfigError` for what only using a setting shows, such as a proxy variable.
    """
    observer = ContainedObserver(observer, FaultLog(account=account.name))
    limiter = Limiter(account.max_requests_per_minute)
    try:
        client = build_client(account, limiter, observer, longest_pause=config.stale_after / 2)
    except ValueError as error:
        raise ConfigError([Problem(f"account {account.name}", str(error))]) from None
    ledger = ledger or Ledger(config.month_close)
    ledger.close = config.month_close
    return AccountPoller(
        account,
        Upstream(build(account, client), client, limiter),
        ledger,
        Timing(config.month_close, config.stale_after),
        observer,
        served,
    )
