"""Acmebox's two ways to tell usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sandbox_exporter.client import Client
from sandbox_exporter.errors import AnswerError
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Field, Readings, Template
from sandbox_exporter.vendors.base import AtOnce, Breakdown, Endpoint
from sandbox_exporter.vendors.meter import Execution, Meter, total
from sandbox_exporter.vendors.parse import amount, identifier, mapping, quantities

OVERLAP = 3600
"""Seconds of events that are read again: those that come late are among them."""
_FIELDS = {"cpu_seconds": Field.VCPU_SECONDS, "running": Field.RUNNING_SANDBOXES}


class AcmeboxByUsage:
    """Totals of a team, and one answer with all its boxes."""

    name = "acmebox"

    def __init__(self, client: Client, team: str, *, with_boxes: bool) -> None:
        self._client = client
        self._path = f"/teams/{team}"
        self.endpoints: Sequence[Endpoint] = (Endpoint("usage", self._total),)
        self.templates: Breakdown | None = AtOnce(self._boxes) if with_boxes else None

    async def _total(self, window: Window) -> Readings:
        return quantities(await self._asked("usage", "usage", window), _FIELDS, window)

    async def _boxes(self, window: Window) -> Mapping[Template, Readings]:
        answer = await self._asked("template_summary", "usage/boxes", window)
        return {
            Template(identifier(box, "box", "boxes[]")): quantities(box, _FIELDS, window)
            for box in _items(answer, "boxes")
        }

    async def _asked(self, endpoint: str, path: str, window: Window) -> Mapping[str, object]:
        params = {"from": window.start, "to": window.end}
        return mapping(await self._client.get(endpoint, f"{self._path}/{path}", params), "answer")


class AcmeboxByEvents:
    """Usage counted from what boxes ran: the ends that events tell, and the list of those running.

    It remembers what it counted, as the vendor keeps events for a day only.
    """

    name = "acmebox"

    def __init__(self, client: Client, team: str, *, with_boxes: bool) -> None:
        self._client = client
        self._path = f"/teams/{team}"
        self._meter = Meter(told_again=2 * OVERLAP)
        self._running: Counter[str] = Counter()
        self.endpoints: Sequence[Endpoint] = (
            Endpoint("usage", self._total, calls=2, metered=True),
        )
        self.templates: Breakdown | None = AtOnce(self._boxes, calls=0) if with_boxes else None

    async def _total(self, window: Window) -> Readings:
        since = max(0, int(self._meter.told_until) - OVERLAP)
        running = await self._executions("boxes", {}, window.end)
        ended = await self._executions("events", {"since": since}, window.end)
        self._meter.take(ended, running, window.end)
        self._running = Counter(execution.template_id for execution in running)
        used = total(self._meter.usage(window))
        return {**used, Field.RUNNING_SANDBOXES: float(self._running.total())}

    async def _boxes(self, window: Window) -> Mapping[Template, Readings]:
        usage = self._meter.usage(window)
        return {
            Template(box): {
                **usage.get(box, {Field.VCPU_SECONDS: 0.0}),
                Field.RUNNING_SANDBOXES: float(self._running[box]),
            }
            for box in {**usage, **self._running}
        }

    async def _executions(
        self, what: str, params: Mapping[str, str | int], until: int
    ) -> list[Execution]:
        answer = await self._client.get("usage", f"{self._path}/{what}", params)
        return [
            Execution(
                identifier(item, "id", what),
                identifier(item, "box", what),
                amount(item, "start", what) or 0.0,
                amount(item, "end", what) or until,
                {Field.VCPU_SECONDS: amount(item, "cpus", what) or 0.0},
            )
            for item in _items(mapping(answer, "answer"), what)
        ]

    def memory(self) -> object:
        """What was counted."""
        return self._meter.memory()

    def recall(self, memory: object) -> None:
        """Goes on from it."""
        self._meter.recall(memory)


def _items(answer: Mapping[str, object], name: str) -> Iterator[Mapping[str, object]]:
    items = answer.get(name)
    if not isinstance(items, list):
        raise AnswerError(f"{name}: expected an array")
    return (mapping(item, f"{name}[]") for item in items)
