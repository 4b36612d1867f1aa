"""A daemon in this process, and a vendor on a real socket that it polls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from sandbox_exporter.config.model import Account, Config, SecretRef
from sandbox_exporter.daemon import Daemon
from sandbox_exporter.errors import ConfigError
from sandbox_exporter.ledger.month import Month


@dataclass
class Vendor:
    """A vendor on a real socket, whose accounts have some templates."""

    url: str = ""
    cost: float = 5.0
    """What each template costs, and with the others the account, in months that `costs` lacks."""
    costs: dict[str, float] = field(default_factory=dict)
    """The same by month, as YYYY-MM."""
    templates: tuple[str, ...] = ("tpl-1",)
    status: int = 200
    statuses: dict[str, int] = field(default_factory=dict)
    """The same of one route, by the last part of its path, or of one template."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of refusals."""
    hangs: set[tuple[str, str]] = field(default_factory=set)
    """What is never answered: an account by its `base_url`, and a route or a template."""
    redirect: str = ""
    """Where the storage endpoint redirects to."""
    keys: list[str] = field(default_factory=list)
    """The key of each request."""
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests, by what `hangs` names."""

    async def answer(self, request: Request) -> JSONResponse:
        self.keys.append(request.headers["X-API-Key"])
        base, _, route = request.url.path.removesuffix("/realtime").rpartition("/")
        base = base.removesuffix("/sandboxes/usage")
        route = request.query_params.get("template_id", route)
        place = (self.url + base, route)
        self.asked[place] += 1
        while place in self.hangs:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        status = self.statuses.get(route, self.status)
        if status != 200:
            return JSONResponse({"error": "refused"}, status, self.headers)
        if route == "templates":
            return JSONResponse([{"templateID": name} for name in self.templates])
        if route == "summary" or route in self.templates:
            month = str(Month.at(int(request.query_params["start_time"]) / 1000))
            parts = len(self.templates) if route == "summary" else 1
            return JSONResponse({"usage_costs_usd": parts * self.costs.get(month, self.cost)})
        if self.redirect and route == "storage":
            return JSONResponse({}, 302, {"Location": self.redirect})
        if route == "storage":
            return JSONResponse({"storage_mib": "1", "free_storage_mib": "2"})
        return JSONResponse({"error": "not found"}, 404)


class Running:
    """A daemon, and the configuration that a reload finds."""

    def __init__(self, config: Config) -> None:
        self.found: Config | ConfigError = config
        self.daemon = Daemon(config, self._load)

    def _load(self) -> Config:
        if isinstance(self.found, ConfigError):
            raise self.found
        return self.found

    async def reload(self, config: Config | ConfigError) -> None:
        """Reloads what is found then."""
        self.found = config
        await self.daemon.reload()

    @property
    def text(self) -> str:
        """What a scrape is served."""
        return self.daemon.publisher.page.text.plain.decode()

    def _served(self, lines: tuple[str, ...]) -> bool:
        return all(line in self.text for line in lines)

    async def until(self, *lines: str, gone: str = "no such line") -> None:
        """Waits until a scrape is served these lines, and not the one that must be gone."""
        await self.when(lambda: self._served(lines) and gone not in self.text)

    async def when(self, condition: Callable[[], bool]) -> None:
        """Waits until it is so."""
        async with asyncio.timeout(120):
            while not condition():  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)


Start = Callable[..., Any]
"""Starts a daemon with a configuration."""


def account(vendor: Vendor, name: str = "prod", **changes: Any) -> Account:
    """An account at the vendor."""
    plain = Account(name, "seacloud", vendor.url, SecretRef("env", "KEY"), poll_interval=10.0)
    return replace(plain, **changes)


def cost(value: float, name: str = "prod", level: str = "account", template: str = "tpl-1") -> str:
    """The line of a cost counter."""
    template = f',template_id="{template}"' if level == "template" else ""
    return (
        f'sandbox_{level}_cost_usd_total{{provider="seacloud",account="{name}"{template}}} {value}'
    )


def endpoint_up(value: float, endpoint: str, name: str = "prod") -> str:
    """The line of an endpoint's health."""
    labels = f'provider="seacloud",account="{name}",endpoint="{endpoint}"'
    return f"sandbox_endpoint_up{{{labels}}} {value}"


def failed(endpoint: str, reason: str, name: str = "prod") -> str:
    """How the line of an endpoint's failures of one kind begins."""
    labels = f'account="{name}",endpoint="{endpoint}",provider="seacloud",reason="{reason}"'
    return f"sandbox_exporter_api_errors_total{{{labels}}} "
