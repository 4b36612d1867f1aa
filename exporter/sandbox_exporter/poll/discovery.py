"""Which templates there are: the vendor's list, read as often as a share of the limit allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.poll.templates import TemplateBook
from sandbox_exporter.vendors.base import TemplateSource
from sandbox_exporter.vendors.listing import Listing

SHARE = 0.1
"""Share of the request limit, and of a poll's time, that reading the list may take."""
_PASSING = frozenset(
    {
        Reason.AUTH,
        Reason.FORBIDDEN,
        Reason.QUOTA,
        Reason.RATE_LIMITED,
        Reason.SERVER,
        Reason.TIMEOUT,
        Reason.CONNECT,
    }
)
"""Failures that say nothing of the page: the reading goes on where it stopped."""
_MOST_FAILURES = 3
"""Failures in a row of one page, after which the list is read from its beginning."""


class Discovery:
    """Keeps a book of templates up to the vendor's list, however many pages that has.

    A poll reads some pages and the next one goes on. Templates found so far have their place in
    the book at once; none leaves it before the list was read to its end.
    """

    def __init__(
        self,
        source: TemplateSource,
        book: TemplateBook,
        per_minute: int,
        clock: Callable[[], float],
    ) -> None:
        """`per_minute` is the account's request limit, `clock` gives monotonic seconds."""
        self._source = source
        self._book = book
        self._rate = per_minute * SHARE / 60
        self._most = max(1.0, per_minute * SHARE)
        self._pages = self._most
        """Pages that may be read now."""
        self._clock = clock
        self._earned_at = clock()
        self._failures = 0
        self._left_out: Mapping[int, str] = {}
        self._listing = Listing(source)
        self.too_large = False
        """Whether the list could not be read to its end when that was last tried."""
        self.unfinished = False
        """Whether a list is read in part."""
        self.ended = False
        """Whether a list was ever read to its end, or for as long as any."""

    @property
    def left_out(self) -> list[str]:
        """What is wrong with the items of the list that cannot be used."""
        return list(max(self._left_out, self._listing.left_out, key=len).values())

    async def read(self, until: float) -> bool:
        """Reads on until the list is whole, or for as long and as far as a poll may.

        `until` is a time of the clock. True when a page was read. Raises `UpstreamError`.
        """
        self._earn()
        listing, read, whole = self._listing, False, False
        try:
            while not whole and self._pages >= 1 and (not read or self._clock() < until):
                self._pages -= 1
                whole = await listing.read_page()
                read, self._failures = True, 0
        except UpstreamError as error:
            self._failed(error)
            raise
        finally:
            if read and not whole:
                self._book.update(listing.templates, self._clock(), whole=False)
        if whole:
            self._finish()
        self.unfinished = read and not whole and not self.too_large
        return read

    def _earn(self) -> None:
        now = self._clock()
        self._pages = min(self._most, self._pages + (now - self._earned_at) * self._rate)
        self._earned_at = now

    def _finish(self) -> None:
        listing, self._listing = self._listing, Listing(self._source)
        self._left_out = listing.left_out
        if listing.left_out and not listing.templates:
            # Not an empty list: one in another form than it had.
            raise AnswerError(next(iter(listing.left_out.values())))
        self.too_large, self.ended = False, True
        self._book.update(listing.templates, self._clock())

    def _failed(self, error: UpstreamError) -> None:
        """A page that fails for itself, or again and again, is where a list that shrank ended."""
        self._failures += 1
        if error.reason is Reason.TOO_LARGE:
            self.too_large = self.ended = True
        if error.reason not in _PASSING or self._failures >= _MOST_FAILURES:
            self._listing, self._failures = Listing(self._source), 0
