"""A vendor's list of templates, read page by page."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.model import Template
from sandbox_exporter.vendors.base import TemplatePage, TemplateSource

MAX_PAGES = 1000


class Listing:
    """One reading of the list, which may pause between pages for as long as it likes."""

    def __init__(self, source: TemplateSource) -> None:
        self._source = source
        self._offset = 0
        self._pages = 0
        self._found: dict[str, Template] = {}
        self.left_out: dict[int, str] = {}
        """What is wrong with the items that cannot be used, by a number that tells them apart."""

    @property
    def templates(self) -> Sequence[Template]:
        """Those found so far, without duplicates."""
        return tuple(self._found.values())

    async def read_page(self) -> bool:
        """Reads the next page; True when the list is whole, for the page brought nothing new.

        Raises `UpstreamError`; the same page comes next then. A list without end is refused as
        `too_large`.
        """
        if self._pages >= MAX_PAGES:
            raise UpstreamError(Reason.TOO_LARGE, f"templates: over {MAX_PAGES} pages")
        page = await self._source.page(self._offset)
        self._pages += 1
        self._offset += page.items
        return not self._take(page)

    def _take(self, page: TemplatePage) -> bool:
        """Adds a page; False when it brought nothing new."""
        before = len(self._found) + len(self.left_out)
        for template in page.templates:
            self._found.setdefault(template.id, template)
        self.left_out |= page.left_out
        return len(self._found) + len(self.left_out) > before


async def read_templates(source: TemplateSource) -> Sequence[Template]:
    """The whole list at one go; raises `UpstreamError`."""
    listing = Listing(source)
    while not await listing.read_page():
        pass
    return listing.templates
