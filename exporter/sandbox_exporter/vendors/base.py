"""What a vendor is to the rest: its descriptor, its provider and its history.

A provider turns the vendor's JSON into the model, no more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from sandbox_exporter.client import Client, Failure
from sandbox_exporter.config.model import Account
from sandbox_exporter.config.schema import AccountSchema
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import BILLING_UNITS, Field, Readings, Template
from sandbox_exporter.secret import Secret

if TYPE_CHECKING:
    from sandbox_exporter.simulator.stand_in import StandIn


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account-level question, asked once a poll."""

    name: str
    """The `endpoint` label."""
    fetch: Callable[[Window], Awaitable[Readings]]
    """Answers in the model; raises `UpstreamError`."""
    every: float = 0.0
    """Seconds for which an answer stays good; 0 asks at each poll."""
    optional: bool = False
    """A deployment may lack it: 404, 405 and 501 then mean unsupported, tried again hourly."""
    calls: int = 1
    """Upstream calls that it makes each time: the request limit is divided by it."""
    metered: bool = False
    """Its totals are counted by the provider itself: they start anew with the month, and are never
    the closed month's going on. Asked of the first endpoint, and holds for the templates too."""


@dataclass(frozen=True, slots=True)
class TemplatePage:
    """A part of a vendor's list of templates."""

    templates: Sequence[Template]
    items: int
    """Items on the page, those left out included: the next page begins so many further."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """What is wrong with the items that cannot be used, by a number that tells them apart."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a vendor rounds usage, so that the rounding is not taken for usage of some template."""

    units: Mapping[Field, float] = field(default_factory=lambda: BILLING_UNITS)
    """The unit in which it writes each quantity, in base units; 1 where none is named."""
    decimals: int = 2
    """Decimals to which values are taken to be rounded until one has more."""


class TemplateSource(Protocol):
    """A breakdown that is told template by template: as few are asked as explain the account."""

    @property
    def rounding(self) -> Rounding:
        """How account and templates are rounded."""
        ...

    async def page(self, offset: int) -> TemplatePage:
        """The templates that the key may see from `offset` on; raises `UpstreamError`.

        A page that brings nothing new is the end of the list: pages may overlap.
        """
        ...

    async def usage(self, template_id: str, window: Window) -> Readings:
        """One template's usage of a window; raises `UpstreamError`."""
        ...


@dataclass(frozen=True, slots=True)
class AtOnce:
    """A breakdown that one answer holds: the vendor's, or what a `Meter` has counted."""

    fetch: Callable[[Window], Awaitable[Mapping[Template, Readings]]]
    """Each template's usage of a window, for the same windows as the account's; raises
    `UpstreamError`. A template without usage and sandboxes may be left out."""
    calls: int = 1
    """Upstream calls that it makes each time."""


Breakdown = TemplateSource | AtOnce
"""How usage comes by template is the provider's choice, one of these."""


class Provider(Protocol):
    """A vendor account.

    Totals of a period that start again, lifetime totals and levels are kinds of the model's fields;
    pagination and authentication stay inside the provider.
    """

    @property
    def name(self) -> str:
        """The `provider` label."""
        ...

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """The first one carries the account's totals, the rest add to it."""
        ...

    @property
    def templates(self) -> Breakdown | None:
        """The breakdown by template; None where the vendor or the configuration has none."""
        ...


class Cycle(IntEnum):
    """The width of a trend's buckets, in seconds."""

    MINUTE = 60
    HOUR = 3600
    DAY = 86400


@dataclass(frozen=True, slots=True)
class Trend:
    """A quantity that a vendor tells of the past, bucket by bucket."""

    name: str
    """The `endpoint` label."""
    fields: tuple[Field, ...]
    """The quantities that it tells, all by the same numbers."""
    cycles: tuple[Cycle, ...]
    """The bucket widths to be had, in ascending order."""
    rounding: float
    """How far from the truth the vendor's rounding may bring one bucket, in base units."""
    fetch: Callable[[Cycle, Window, str | None], Awaitable[Sequence[float]]]
    """One number a bucket, in base units: the usage in it or a level's mean; nan where the vendor
    tells none. The window has whole UTC buckets and lies within a UTC day, for cycle `DAY` within
    a month. The text is a template's id, None for the account. Raises `UpstreamError`."""
    by_template: bool = True
    """Whether templates have it too."""
    optional: bool = False
    """An answer that cannot be read is reported and done without; else it is an error."""


class History(Protocol):
    """A vendor that tells of the past."""

    trends: Sequence[Trend]
    cost_rounding: float
    """USD by which `daily_costs` may round a day."""

    async def totals(self, window: Window, template_id: str | None) -> Readings:
        """The month totals of a window, exactly; raises `UpstreamError`."""
        ...

    async def daily_costs(self, month: Month, template_id: str | None) -> Mapping[int, float]:
        """USD of a month's days, by the Unix second of their start; raises `UpstreamError`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor(AccountSchema):
    """Everything that is one vendor's, in the folder of its name; `VENDORS` lists them all."""

    headers: Callable[[Account, Secret], Mapping[str, str]]
    """How a request authenticates."""
    explain: Callable[[int, object], Failure | None]
    """What an error body means, given the status and the decoded body; None to go by the status."""
    provider: Callable[[Account, Client], Provider]
    history: Callable[[Account, Client], History] | None = None
    """None for a vendor that tells nothing of the past."""
    stand_in: Callable[[], StandIn[Any]]
    """Its part of the simulator."""
    sources: Mapping[Field, str]
    """The quantities that it tells, and from what, for the documentation."""
    template_source: str = ""
    """From what the names of templates come."""

    def identity(self, account: Account) -> str:
        """What makes an account the same one to its vendor and in its series."""
        own = [str(key.of(account)) for key in self.keys if key.identifies]
        return " ".join((account.provider, account.name, account.base_url, *own))
