"""The search for what no template explains, over as many polls as it takes."""

from __future__ import annotations

from sandbox_exporter.poll.explain import Residual
from sandbox_exporter.poll.templates import MAX_AGE, Entry, TemplateBook

_SHORTEST_PAUSE = 60.0


class Search:
    """Whom to ask for a difference that the compulsory templates do not explain.

    Usage of a template that fails cannot be told from usage of another. Each time that a search
    through all others finds nothing, while some template fails, the next one waits longer.
    """

    def __init__(self, book: TemplateBook, residual: Residual) -> None:
        self._book = book
        self._residual = residual
        self._since: int | None = None
        """The poll in which what is looked for showed; None while all is explained."""
        self._found = False
        self._pause = 0.0
        self._paused_until = 0.0

    def suspects(self, poll: int, clock: float) -> list[Entry]:
        """Those that may hold what is unexplained, likeliest first.

        New change may be anyone's; of change that showed earlier, those asked since are clear.
        Who was not asked since the search began comes first, or a search over many polls would ask
        the likeliest again and again.
        """
        if clock < self._paused_until:
            return []
        if self._since is None:
            self._since = poll
        asked_since = poll if self._residual.changed else self._residual.suspect_poll
        suspects = self._book.by_likelihood(
            entry for entry in self._book if entry.asked_poll < asked_since and not entry.failures
        )
        before = self._since - 1
        return sorted(suspects, key=lambda entry: max(entry.asked_poll, before))

    def found(self) -> None:
        """Notes that a suspect had changed."""
        self._found = True

    def end(self, clock: float) -> None:
        """Ends a poll."""
        if self._found or not self._failing():
            self._pause = self._paused_until = 0.0
        elif self._since is not None and self._everyone_asked(self._since):
            self._pause = min(MAX_AGE, max(_SHORTEST_PAUSE, 2 * self._pause))
            self._paused_until = clock + self._pause
            self._since = None
        if self._residual.explained:
            self._since = None
        self._found = False

    def _failing(self) -> bool:
        return any(entry.failures for entry in self._book)

    def _everyone_asked(self, since: int) -> bool:
        return all(entry.asked_poll >= since for entry in self._book if not entry.failures)
