"""What the vendor tells of one account or template, window by window, asked a little ahead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sandbox_exporter.backfill.together import together
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import Field, Readings
from sandbox_exporter.vendors.base import Cycle, History, Trend

_T = TypeVar("_T")

AHEAD = 4
"""Windows that are asked for while an earlier one is written."""
REFUSED = frozenset({Reason.INVALID_REQUEST, Reason.NOT_FOUND})
"""How a vendor answers for times or templates of which it keeps nothing."""
TOTALS = "totals"


@dataclass(frozen=True, slots=True)
class Answers:
    """All that is told of a window."""

    window: Window
    start: Readings = field(default_factory=dict)
    """Month totals until the window's start."""
    end: Readings = field(default_factory=dict)
    """Month totals until its end."""
    trends: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """By the trend's name; runtime trends are not asked for where nothing was used."""
    costs: Mapping[int, float] = field(default_factory=dict)
    """By day, at resolution `DAY`."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """What the vendor did not tell, and its words; `TOTALS` means that nothing is known."""

    def growth(self, quantity: Field) -> float | None:
        """The usage of the window; None where it is not known."""
        before = self.before(quantity)
        after = self.end.get(quantity)
        return None if before is None or after is None else max(after - before, 0.0)

    def before(self, quantity: Field) -> float | None:
        """The month total until the window's start; None where it is not known."""
        if self.window.start == self.window.month.start:
            return 0.0
        return self.start.get(quantity)

    @property
    def idle(self) -> bool:
        """Whether nothing was used."""
        return all(self.growth(quantity) == 0.0 for quantity in self.end)


def cycle_of(trend: Trend, resolution: Cycle) -> Cycle:
    """The widest buckets that are no wider than the resolution, else the narrowest there are."""
    return max((c for c in trend.cycles if c <= resolution), default=trend.cycles[0])


def whole_buckets(window: Window, cycle: Cycle) -> Window | None:
    """A window's whole buckets, the one in which it starts included; None when there is none."""
    start, end = window.start // cycle * cycle, window.end // cycle * cycle
    return Window(window.month, start, end) if start < end else None


class Reader:
    """Asks one vendor's history about one account or template."""

    def __init__(
        self,
        history: History,
        template_id: str | None,
        closings: Mapping[Month, tuple[int, Readings]],
        resolution: Cycle,
    ) -> None:
        """`closings` are the span's months: until when each is told, and the totals by then."""
        self._history = history
        self._template_id = template_id
        self._closings = closings
        self._resolution = resolution
        self._tasks: set[asyncio.Task[Any]] = set()
        self._trends = [t for t in history.trends if t.by_template or template_id is None]

    async def read(self, windows: Iterable[Window]) -> AsyncGenerator[Answers, None]:
        """The answers for `windows`, in their order; raises `UpstreamError`."""
        ahead: deque[asyncio.Task[Answers]] = deque()
        until, totals = 0, None
        try:
            for window in windows:
                if totals is None or until != window.start:
                    totals = self._start(self._totals_until(window.month, window.start))
                before = totals
                until = window.end
                totals = self._start(self._totals_until(window.month, until))
                ahead.append(self._start(self._answers(window, before, totals)))
                if len(ahead) > AHEAD:
                    yield await ahead.popleft()
            while ahead:
                yield await ahead.popleft()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Looks at the exception, for whoever awaits the task may be gone."""
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def _totals_until(self, month: Month, until: int) -> Readings:
        """Month totals at a moment; what the plan knows already is not asked again."""
        closing, totals = self._closings[month]
        if until == closing or not any(totals.values()):
            return totals
        if until == month.start:
            return {}
        return await self._history.totals(Window(month, month.start, until), self._template_id)

    async def _answers(
        self, window: Window, start: asyncio.Task[Readings], end: asyncio.Task[Readings]
    ) -> Answers:
        try:
            known = Answers(window, await start, await end)
        except UpstreamError as error:
            if error.reason not in REFUSED:
                raise
            return Answers(window, missing={TOTALS: error.message})
        asked = [t for t in self._trends if not (known.idle and t.by_template)]
        trends: dict[str, Sequence[float]] = {}
        missing: dict[str, str] = {}
        for trend, told in zip(
            asked, await together(self._trend(t, window) for t in asked), strict=True
        ):
            if isinstance(told, str):
                missing[trend.name] = told
            else:
                trends[trend.name] = told
        costs: Mapping[int, float] | str = {}
        if self._resolution is Cycle.DAY and not known.idle:
            costs = await self._costs(window.month)
        if isinstance(costs, str):
            missing["costs"], costs = costs, {}
        return Answers(window, known.start, known.end, trends, costs, missing)

    async def _trend(self, trend: Trend, window: Window) -> Sequence[float] | str:
        """The buckets of a window, or why there are none."""
        cycle = cycle_of(trend, self._resolution)
        whole = whole_buckets(window, cycle)
        if whole is None:
            return ()
        try:
            return await trend.fetch(cycle, whole, self._template_id)
        except UpstreamError as error:
            if error.reason in REFUSED or (trend.optional and error.reason is Reason.SCHEMA):
                return error.message
            raise

    async def _costs(self, month: Month) -> Mapping[int, float] | str:
        """The days' costs, or why there are none; they only shape what the totals say."""
        try:
            return await self._history.daily_costs(month, self._template_id)
        except UpstreamError as error:
            if error.reason in REFUSED or error.reason is Reason.SCHEMA:
                return error.message
            raise
