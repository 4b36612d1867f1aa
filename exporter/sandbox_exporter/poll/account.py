"""One account: what each of its polls asks, and in which order and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.ledger.state_saver import Remembering
from sandbox_exporter.poll.context import LONGEST_POLL, Timing, Upstream
from sandbox_exporter.poll.discovery import SHARE
from sandbox_exporter.poll.endpoints import EndpointPoll
from sandbox_exporter.poll.health import AccountHealth
from sandbox_exporter.poll.observer import PollObserver
from sandbox_exporter.poll.publication import Publication
from sandbox_exporter.poll.template_poll import TemplatePoll
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.supervisor import FaultLog
from sandbox_exporter.vendors import identity

_CALL_SHARE = 0.9
"""Share of a poll's time by which its last call ends, so that the next poll begins in time."""
_LISTING_WAIT = 0.5
"""Share of a poll's time for which the templates wait for their listing."""
_SWEEP_SHARE = 0.8
"""Share of a poll's time after which no further template is asked."""


class AccountPoller:
    """Polls one account and keeps what it said. Never runs two polls at once.

    `served` tells the monotonic time of the newest publication that a scrape was served.
    """

    def __init__(
        self,
        account: Account,
        upstream: Upstream,
        ledger: Ledger,
        timing: Timing,
        observer: PollObserver,
        served: Callable[[], float],
    ) -> None:
        self.account = account
        self.client = upstream.client
        self.provider = upstream.provider
        self.ledger = ledger
        ledger.metered = upstream.provider.endpoints[0].metered
        self.faults = FaultLog(self.client.mask, account=account.name)
        self._close = timing.close
        self._wall, self._clock = timing.wall, timing.clock
        self._observer = observer
        self._served = served
        self._tried = False
        self._window: Window | None = None
        self._health = health = AccountHealth(
            account.name, self.provider, self.faults, observer, timing
        )
        self._endpoints = EndpointPoll(self.provider, ledger, health, observer, self._clock)
        self._templates = TemplatePoll(account, upstream, ledger, health, observer, self._clock)
        self._publication = Publication(
            account, self.provider, ledger, timing, health, self._templates
        )

    def resume(self, before: AccountPoller) -> None:
        """Goes on from what another poller of the same vendor account knew of it.

        Its numbers then stay until they are stale, whether or not the next poll succeeds.
        """
        self._health.resume(before._health)
        self._templates.resume(before._templates)
        self._tried = before.tried
        if isinstance(self.provider, Remembering) and isinstance(before.provider, Remembering):
            self.provider.recall(before.provider.memory())

    @property
    def name(self) -> str:
        """The account's name in the configuration."""
        return self.account.name

    @property
    def identity(self) -> str:
        """What makes the account the same one to its vendor and in its series."""
        return identity(self.account)

    @property
    def window(self) -> Window | None:
        """What the last poll asked for; None before the first."""
        return self._window

    @property
    def tried(self) -> bool:
        """Whether a first poll has ended, well or not."""
        return self._tried

    @property
    def cut_short(self) -> bool:
        """Whether the last poll left templates for the next one that it should have asked."""
        return self._templates.cut_short

    async def poll(self, publish: Callable[[], None] = lambda: None) -> None:
        """Asks everything that is due, for one and the same window.

        `publish` is called when the totals and templates are there while another endpoint is still
        awaited, so that one that hangs delays no other's numbers.
        """
        started = self._clock()
        self._templates.cut_short = False
        seconds = min(self.account.poll_interval, LONGEST_POLL)
        self.client.begin(seconds * _CALL_SHARE)
        window = self._turn_to_now()
        self.ledger.release(started, self._served())
        contain, ask = self._health.contain, self._endpoints.ask
        first, *others = self.provider.endpoints
        async with asyncio.TaskGroup() as asking:
            totals = asking.create_task(contain(first.name, ask(first, window)))
            rest = [
                asking.create_task(contain(endpoint.name, ask(endpoint, window)))
                for endpoint in others
            ]
            reading = self._templates.read_list(window, started + seconds * SHARE)
            listing = asking.create_task(contain("templates", reading))
            await asyncio.wait([totals])
            await self._templates.ask(
                totals.result(),
                window,
                listing,
                list_until=started + seconds * _LISTING_WAIT,
                soft_deadline=started + seconds * _SWEEP_SHARE,
            )
            await self._publication.prepare()
            self._tried = True
            if not all(task.done() for task in (listing, *rest)):
                publish()
        self._health.log_failures()
        self._observer.polled(self._clock() - started, self._wall())

    def _turn_to_now(self) -> Window:
        """The window of a poll that begins; a new month lets go of the templates that are gone."""
        window = self._close.window(self._wall())
        if self._window is not None and self._window.month != window.month:
            listed = {entry.template.id for entry in self._templates.book}
            self.ledger.prune(listed, self._window.month)
        self._window = window
        self.ledger.begin(self._wall())
        return window

    def fail(self, message: str) -> None:
        """Notes that a poll ended by a fault of the exporter's own."""
        first = self.provider.endpoints[0].name
        self._health[first].failed(UpstreamError(Reason.SCHEMA, message), self._clock())
        self._tried = True

    def moment(self) -> Hashable:
        """What of the published state changes by the clock alone."""
        return self._publication.moment()

    def snapshot(self) -> AccountSnapshot:
        """What is published of the account at this moment."""
        return self._publication.snapshot(tried=self._tried)
