"""Which templates an account has, and which of them a poll should ask, likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from sandbox_exporter.billing import Window
from sandbox_exporter.model import Template
from sandbox_exporter.poll.budget import Pace

MAX_AGE = 900.0
"""Every template is asked at least this often, in seconds, whatever the account's total says."""


@dataclass(slots=True)
class Entry:
    """A template that is polled, and what is remembered of asking it."""

    template: Template
    listed: bool = True
    asked_at: float | None = None
    """Monotonic seconds of the last answer."""
    asked_poll: int = -1
    """Number of the poll that brought the last answer."""
    asked_until: int = 0
    """End of the window of the last answer."""
    active: bool = False
    """Whether the last answer showed growth or running sandboxes."""
    active_at: float = 0.0
    """Monotonic seconds of the last answer that did."""
    spawned: bool = False
    """Whether the listing has shown new sandboxes since the last answer."""
    failing: bool = False
    """Whether the last call failed."""

    def fresh(self, clock: float, stale_after: float) -> bool:
        """Whether the last answer may be shown: no later call failed, or it is young enough."""
        if not self.failing or self.asked_at is None:
            return True
        return clock - self.asked_at <= stale_after


class TemplateBook:
    """The templates of one account.

    A template that leaves the vendor's list is followed until it was idle for `MAX_AGE`, so that
    its last usage is not lost; the account's `max_templates` bounds the listed ones, and the
    same number bounds those that are followed after that.
    """

    def __init__(self, max_templates: int) -> None:
        self._max = max_templates
        self._entries: dict[str, Entry] = {}
        self.dropped = 0
        """Templates beyond `max_templates`."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def resume(self, before: TemplateBook, chosen: Set[str] | None) -> None:
        """Takes over what another book knew: of all templates, or only of those chosen."""
        for entry in before:
            if (chosen is None and len(self) < self._max) or (
                chosen is not None and entry.template.id in chosen
            ):
                self._entries[entry.template.id] = entry

    def update(self, listing: Sequence[Template], clock: float) -> None:
        """Takes the vendor's list: known templates keep their place, the rest fill what is left."""
        known = [t for t in listing if t.id in self._entries and self._entries[t.id].listed]
        fresh = [t for t in listing if t.id not in self._entries or not self._entries[t.id].listed]
        fresh.sort(key=lambda t: (t.last_spawned, t.spawn_count), reverse=True)
        kept = {t.id: t for t in (known + fresh)[: self._max]}
        self.dropped = len(listing) - len(kept)
        for template in kept.values():
            entry = self._entries.get(template.id)
            if entry is None:
                self._entries[template.id] = Entry(template)
                continue
            old = entry.template
            if (template.spawn_count, template.last_spawned) != (old.spawn_count, old.last_spawned):
                entry.spawned = True
            entry.template, entry.listed = template, True
        for template_id, entry in self._entries.items():
            entry.listed = template_id in kept
        self._let_go(clock)

    def gone(self, template_id: str) -> None:
        """The vendor says that it has no such template."""
        self._entries.pop(template_id, None)

    def answered(
        self, entry: Entry, *, poll: int, window: Window, active: bool, clock: float
    ) -> None:
        """Remembers an answer."""
        entry.asked_at, entry.asked_poll, entry.asked_until = clock, poll, window.end
        entry.active, entry.spawned, entry.failing = active, False, False
        if active:
            entry.active_at = clock

    def compulsory(
        self,
        window: Window,
        clock: float,
        interval: float,
        pace: Pace,
        owed: Set[str] = frozenset(),
    ) -> list[Entry]:
        """Those that this poll asks whatever the total says.

        First ones never asked, those `owed` a closed month's final total and, in the first minutes
        of a month, those whose closed month is not final, likeliest first. Then active ones, and
        those that would be older than `MAX_AGE` before their turn came, when the next poll is
        `interval` seconds away and what it cannot ask follows at `pace`: the oldest answer first,
        so that none is starved.
        """
        due = self._due(clock, interval, pace) | owed
        closing = window.end == window.month.end
        first: list[Entry] = []
        then: list[Entry] = []
        for entry in self._entries.values():
            closes = closing and entry.asked_until < window.end
            owes = entry.template.id in owed and not entry.failing
            if entry.asked_at is None or closes or owes:
                first.append(entry)
            elif entry.active or entry.spawned or entry.template.id in due:
                then.append(entry)
        then.sort(key=lambda e: e.asked_at or 0.0)
        return self.by_likelihood(first) + then

    @staticmethod
    def by_likelihood(entries: Iterable[Entry]) -> list[Entry]:
        """Likeliest to have changed first: active, newly spawned, lately active, lately spawned."""
        return sorted(
            entries,
            key=lambda e: (e.active, e.spawned, e.active_at, e.template.last_spawned),
            reverse=True,
        )

    def _due(self, clock: float, interval: float, pace: Pace) -> set[str]:
        asked = [e for e in self._entries.values() if e.asked_at is not None]
        asked.sort(key=lambda e: e.asked_at or 0.0)
        # Polls that are further apart bring an answer each, and those between for the rest do not.
        oldest = max(MAX_AGE, 1.5 * interval)
        count = 0
        for place, entry in enumerate(asked):
            age = clock - (entry.asked_at or 0.0)
            turn = interval + pace.seconds * (place // pace.calls)
            if age + turn > oldest:
                count = place + 1
        return {entry.template.id for entry in asked[:count]}

    def _let_go(self, clock: float) -> None:
        """Drops unlisted templates that were idle for long, or are too many: the longest idle."""
        unlisted = [e for e in self._entries.values() if not e.listed]
        unlisted.sort(key=lambda e: e.active_at, reverse=True)
        for place, entry in enumerate(unlisted):
            idle = not entry.active and clock - entry.active_at > MAX_AGE
            if idle or entry.asked_at is None or place >= self._max:
                del self._entries[entry.template.id]
