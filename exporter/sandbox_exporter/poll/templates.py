"""Which templates an account has, how each of them fares, and which a poll should ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.ledger.month import Window
from sandbox_exporter.model import Template
from sandbox_exporter.poll.budget import Pace

MAX_AGE = 900.0
"""Every template is asked at least this often, in seconds, whatever the account's total says."""
LONGEST_BACKOFF = 300.0
"""Seconds after which a template that fails is asked again at the latest."""
_BACKOFF = 25.0
_MISSES = 2
"""Lists in a row that lack a template which is no longer there: one alone may have skipped it."""


@dataclass(slots=True)
class Entry:
    """A template that is polled, and what is remembered of asking it."""

    template: Template
    current_at: float
    """Monotonic seconds of the last poll in which what is known of it held good."""
    current: bool = True
    """Whether that was the last poll."""
    missed: int = 0
    """Whole lists in a row that lack it."""
    asked_at: float | None = None
    """Monotonic seconds of the last answer."""
    tried_at: float = 0.0
    """Monotonic seconds of the last call that failed."""
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
    failures: int = 0
    """Calls in a row that failed for this template, while others could be asked."""
    error: UpstreamError | None = None
    """Why the last call failed, while that lasts."""
    retry_at: float = 0.0
    """Monotonic seconds before which a failing template is left alone."""

    @property
    def listed(self) -> bool:
        """Whether the last list had it."""
        return self.missed == 0

    def failed(self, error: UpstreamError, clock: float) -> None:
        """Notes a failure of its own: it is asked again by the next poll, then ever more rarely."""
        self.failures += 1
        self.error = error
        wait = _BACKOFF * 2.0 ** min(self.failures - 1, 10) if self.failures > 1 else 0.0
        self.retry_at = clock + min(LONGEST_BACKOFF, wait)

    def fresh(self, clock: float, stale_after: float) -> bool:
        """Whether what is known may be shown: it holds good, or did a short while ago."""
        return self.current or clock - self.current_at <= stale_after


class TemplateBook:
    """The templates of one account.

    A template that leaves the vendor's list is followed until it was idle for `MAX_AGE`, so that
    its last usage is not lost; the account's `max_templates` bounds the listed ones, and the
    same number bounds those that are followed after that.
    """

    def __init__(self, max_templates: int) -> None:
        self._max = max_templates
        self._entries: dict[str, Entry] = {}
        self._doubtful: list[Entry] = []
        """Those that the last poll could not vouch for."""
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
                entry.asked_poll = -1  # polls are numbered anew

    def update(self, listing: Sequence[Template], clock: float, *, whole: bool = True) -> None:
        """Takes the vendor's list: known templates keep their place, the rest fill what is left.

        A list that is not `whole` yet says of no template that it is gone.
        """
        places = {id_ for id_, entry in self._entries.items() if entry.listed}
        known = [t for t in listing if t.id in places]
        fresh = [t for t in listing if t.id not in places]
        fresh.sort(key=lambda t: (t.last_spawned, t.spawn_count), reverse=True)
        # Those that the rest of the list may yet bring keep their places.
        free = self._max - (len(known) if whole else len(places))
        kept = known[: self._max] + fresh[: max(0, free)]
        dropped = len(listing) - len(kept)
        self.dropped = dropped if whole else max(self.dropped, dropped)
        for template in kept:
            self._keep(template, clock)
        if whole:
            ids = {template.id for template in kept}
            for template_id, entry in self._entries.items():
                entry.missed = 0 if template_id in ids else entry.missed + 1
            self._let_go(clock)

    def _keep(self, template: Template, clock: float) -> None:
        entry = self._entries.get(template.id)
        if entry is None:
            self._entries[template.id] = Entry(template, clock)
            return
        old = entry.template
        if (template.spawn_count, template.last_spawned) != (old.spawn_count, old.last_spawned):
            entry.spawned = True
        entry.template, entry.missed = template, 0

    def gone(self, template_id: str) -> None:
        """The vendor says that it has no such template."""
        self._entries.pop(template_id, None)

    def answered(
        self, entry: Entry, *, poll: int, window: Window, active: bool, clock: float
    ) -> None:
        """Remembers an answer."""
        entry.asked_at, entry.asked_poll, entry.asked_until = clock, poll, window.end
        entry.active, entry.spawned = active, False
        entry.failures, entry.error, entry.tried_at = 0, None, 0.0
        if active:
            entry.active_at = clock

    def vouch(self, clock: float, current: set[str]) -> None:
        """Ends a poll: what is known of the `current` templates holds good, of others no longer."""
        self._doubtful = []
        for template_id, entry in self._entries.items():
            entry.current = template_id in current
            if entry.current:
                entry.current_at = clock
            else:
                self._doubtful.append(entry)

    def failure(self) -> UpstreamError | None:
        """What is wrong with the templates that fail themselves, told by the first of them."""
        failing = [entry for entry in self._doubtful if entry.error is not None]
        if not failing or (error := failing[0].error) is None:
            return None
        more = f" ({len(failing) - 1} more fail)" if len(failing) > 1 else ""
        return UpstreamError(
            error.reason,
            f"template {failing[0].template.id}: {error.message}{more}",
            status=error.status,
            request_id=error.request_id,
        )

    def stale(self, clock: float, stale_after: float) -> int:
        """How many are no longer shown."""
        return sum(not entry.fresh(clock, stale_after) for entry in self._doubtful)

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
        of a month, those whose closed month is not final. Then active and newly spawned ones and
        those whose answer would grow too old before their turn came, when the next poll is
        `interval` seconds away and what it cannot ask follows at `pace`: the oldest answer first,
        so that none is starved. Last those that fail and are to be tried again.
        """
        due = self._due(clock, interval, pace)
        closing = window.end == window.month.end
        first: list[Entry] = []
        then: list[Entry] = []
        again: list[Entry] = []
        for entry in self._entries.values():
            unclosed = closing and entry.asked_until < window.end
            if entry.failures:
                if unclosed or clock >= entry.retry_at:
                    again.append(entry)
            elif entry.asked_at is None or unclosed or entry.template.id in owed:
                first.append(entry)
            elif entry.active or entry.spawned or entry.template.id in due:
                then.append(entry)
        # Where calls fail before their time has come, the next poll begins with others.
        first = sorted(self.by_likelihood(first), key=lambda e: e.tried_at)
        then.sort(key=lambda e: max(e.asked_at or 0.0, e.tried_at))
        again.sort(key=lambda e: e.retry_at)
        return first + then + again

    @staticmethod
    def by_likelihood(entries: Iterable[Entry]) -> list[Entry]:
        """Likeliest to have changed first: active, newly spawned, lately active, lately spawned."""
        return sorted(
            entries,
            key=lambda e: (e.active, e.spawned, e.active_at, e.template.last_spawned),
            reverse=True,
        )

    def _due(self, clock: float, interval: float, pace: Pace) -> set[str]:
        asked = [e for e in self._entries.values() if e.asked_at is not None and not e.failures]
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
            left = entry.missed >= _MISSES and (idle or entry.asked_at is None)
            if left or place >= self._max:
                del self._entries[entry.template.id]
