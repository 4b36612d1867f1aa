"""An account whose templates' answers lie in memory, all of them growing from poll to poll."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sandbox_exporter.client import Limiter
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.exposition.publisher import Publisher
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.ledger.ledger import Ledger
from sandbox_exporter.ledger.month import MonthClose, Window
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.poll.account import AccountPoller
from sandbox_exporter.poll.context import Timing, Upstream
from sandbox_exporter.snapshot import AccountSnapshot
from sandbox_exporter.vendors import Endpoint, TemplatePage, TemplateSource, build_client
from sandbox_exporter.vendors.base import Rounding


class Fleet:
    """A vendor and its templates, without a network."""

    name = "seacloud"
    rounding = Rounding()

    def __init__(self, size: int) -> None:
        self.ids = [f"tpl-custom-{number:016x}" for number in range(size)]
        self.endpoints: Sequence[Endpoint] = (Endpoint("summary", self._summary),)
        self.templates: TemplateSource | None = self
        self._polls = 0

    async def page(self, offset: int) -> TemplatePage:
        """Every template."""
        ids = self.ids[offset:]
        return TemplatePage([Template(n, f"team/{n}", "custom", "1.0.0") for n in ids], len(ids))

    async def usage(self, template_id: str, window: Window) -> Readings:
        """One template's usage; gives way as a call over a network does."""
        await asyncio.sleep(0)
        return self._readings(int(template_id.rpartition("-")[2], 16), 1)

    async def _summary(self, window: Window) -> Readings:
        self._polls += 1
        return self._readings((len(self.ids) - 1) / 2, len(self.ids))

    def _readings(self, number: float, count: int) -> Readings:
        hours = (number / 7 + self._polls / 60) * count
        return {
            Field.VCPU_SECONDS: hours * 3600,
            Field.MEMORY_BYTE_SECONDS: hours * 3600 * 2**31,
            Field.DATA_TRANSFER_BYTES: hours * 1e8,
            Field.COST_USD: hours * 0.0828,
            Field.RUNNING_SANDBOXES: float(count),
            Field.PAUSED_STORAGE_BYTES: 2.0**29 * count,
        }


class Chain:
    """A real poller over a fleet and the real publisher."""

    def __init__(self, size: int) -> None:
        metrics = SelfMetrics()
        account = Account(
            "bench",
            "seacloud",
            "http://127.0.0.1:1",
            SecretRef("env", "UNUSED"),
            max_templates=size,
            max_requests_per_minute=10**6,
        )
        observer = metrics.account(account)
        limiter = Limiter(account.max_requests_per_minute)
        self.publisher = Publisher(metrics)
        self.poller = AccountPoller(
            account,
            Upstream(Fleet(size), build_client(account, limiter, observer), limiter),
            Ledger(MonthClose()),
            Timing(),
            observer,
            lambda: self.publisher.served("bench"),
        )
        self.publisher.restart([self.poller.snapshot()])

    async def publish(self) -> None:
        """What the daemon does when a poll has ended."""
        self.publisher.publish(self.poller.snapshot())
        await asyncio.sleep(0)  # the publisher has a task of its own
        await self.publisher.render()

    def snapshot(self) -> AccountSnapshot:
        """What was published last."""
        return self.publisher.snapshot.accounts[0]
