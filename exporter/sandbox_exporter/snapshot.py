"""What is published: the immutable result of polls, read by the exposition, OTLP and the pages."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox_exporter.model import Readings, Template


@dataclass(frozen=True, slots=True)
class Usage:
    """The published numbers of an account or of one template."""

    counters: Readings = field(default_factory=dict)
    """Month totals and lifetime totals as the counters show them: never falling."""
    readings: Readings = field(default_factory=dict)
    """Every quantity as the vendor last reported it, even when it fell."""


@dataclass(frozen=True, slots=True)
class TemplateUsage:
    """One template and its numbers."""

    template: Template
    usage: Usage


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """How the last poll of one endpoint went."""

    name: str
    up: bool
    last_success: float | None = None
    """Unix seconds; None before the first success."""
    error: str = ""
    """Reason and message of the last failure while it lasts, else empty. Holds no secret."""
    required: bool = True
    """Whether the account counts as down without it."""


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One account at one moment."""

    provider: str
    account: str
    tried: bool = False
    """Whether a first poll has ended, well or not."""
    endpoints: tuple[EndpointHealth, ...] = ()
    """Those that the deployment has; unsupported ones are left out."""
    created: int = 0
    """Start of the month that the counters show, as Unix seconds."""
    usage: Usage = field(default_factory=Usage)
    """The account's own totals; empty when stale."""
    templates: tuple[TemplateUsage, ...] = ()
    """The breakdown; empty when stale."""
    templates_known: int = 0
    """Templates that are polled."""
    templates_dropped: int = 0
    """Templates beyond `max_templates`, which are not polled."""
    templates_invalid: int = 0
    """Items of the vendor's list that cannot be used."""
    budget_usd: float | None = None

    @property
    def up(self) -> bool:
        """Whether the last poll of every required endpoint succeeded."""
        required = [endpoint.up for endpoint in self.endpoints if endpoint.required]
        return bool(required) and all(required)

    @property
    def last_success(self) -> float | None:
        """When the account's totals were last read, in Unix seconds; None before the first time."""
        return self.endpoints[0].last_success if self.endpoints else None

    @property
    def error(self) -> str:
        """The first failing endpoint and why; empty while all is well."""
        failing = next((endpoint for endpoint in self.endpoints if not endpoint.up), None)
        return f"{failing.name}: {failing.error}" if failing else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All accounts, in the order of the configuration."""

    accounts: tuple[AccountSnapshot, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether each account was tried once."""
        return all(account.tried for account in self.accounts)
