"""The page in pieces: by family, and in each family by groups of accounts.

Where a group's accounts did not change it keeps its pieces, so that a publication costs what its
group does, however many accounts there are. Groups, for the few lines that a small account has in
each family would compress badly by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from sandbox_exporter.exposition.crc import Checksum
from sandbox_exporter.exposition.page import Body
from sandbox_exporter.exposition.pieces import Piece, member
from sandbox_exporter.exposition.selfmetrics import SelfMetrics
from sandbox_exporter.exposition.text import CHUNK, Chunk, Family, chunks, families, header
from sandbox_exporter.snapshot import AccountSnapshot

_MOST_ACCOUNTS = 16
_MOST_TEMPLATES = 256
"""Of a group; one account may have more."""

_Forms = tuple[Piece, Piece]
"""Lines as text 0.0.4 and as OpenMetrics: the same piece where they are alike."""
_Accounts = Mapping[str, AccountSnapshot]


class _Group:
    """Accounts that are rendered together, and their pieces of each family."""

    def __init__(self, names: Sequence[str], families: int) -> None:
        self.names = names
        self.published = True
        """Whether an account was published since the group was rendered."""
        self.counted = True
        """Whether the exporter counted something of an account since then."""
        self.families: list[list[_Forms]] = [[] for _ in range(families)]
        self.samples = 0
        """Of what was published."""

    def split(self, accounts: _Accounts) -> Iterator[_Group]:
        """The group itself, or as many as have few enough templates."""
        templates = sum(len(accounts[name].templates) for name in self.names)
        half = len(self.names) // 2
        if templates <= _MOST_TEMPLATES or not half:
            yield self
            return
        for names in (self.names[:half], self.names[half:]):
            yield from _Group(names, len(self.families)).split(accounts)


class Sheet:
    """All families of some accounts and of the exporter itself."""

    def __init__(self, metrics: SelfMetrics, accounts: Sequence[str]) -> None:
        self._metrics = metrics
        usage = [metric for metric, _ in families(())]
        own = [metric for metric, _ in metrics.families(())]
        self._own = len(usage)
        """The place of the first family that the exporter counts."""
        self._headers: list[_Forms] = [
            (
                Piece.of(header(metric, openmetrics=False)),
                Piece.of(header(metric, openmetrics=True)),
            )
            for metric in (*usage, *own)
        ]
        self._checksums: dict[tuple[int, int], Checksum] = {}
        """Of families, by place and form."""
        self._unpaused = 0
        self._arrange(
            _Group(accounts[start : start + _MOST_ACCOUNTS], len(self._headers))
            for start in range(0, len(accounts), _MOST_ACCOUNTS)
        )

    def _arrange(self, groups: Iterable[_Group]) -> None:
        self._groups = list(groups)
        self._group_of = {name: group for group in self._groups for name in group.names}
        self._checksums.clear()

    @property
    def samples(self) -> int:
        """Samples of the accounts, those that the exporter counted aside."""
        return sum(group.samples for group in self._groups)

    def published(self, account: str) -> None:
        """Notes that an account has to be rendered anew."""
        self._group_of[account].published = True

    async def render(self, accounts: _Accounts) -> bool:
        """Renders what changed until now, in steps; whether an account was published."""
        for owner in self._metrics.changed():
            if owner and (group := self._group_of.get(owner[1])) is not None:
                group.counted = True
        split = [
            part
            for group in self._groups
            for part in (group.split(accounts) if group.published else (group,))
        ]
        if len(split) > len(self._groups):
            self._arrange(split)
        published = [group for group in self._groups if group.published]
        counted = [group for group in self._groups if group.counted]
        # What changes from here on is rendered the next time.
        for group in self._groups:
            group.published = group.counted = False
        try:
            for group in published:
                rows = families([accounts[name] for name in group.names])
                group.samples = await self._render(group, 0, rows)
            for group in counted:
                owners = [(accounts[name].provider, name) for name in group.names]
                await self._render(group, self._own, self._metrics.families(owners))
            await self._join()
        except BaseException:
            for group in chain(published, counted):
                group.published = group.counted = True
            raise
        return bool(published)

    async def _render(self, group: _Group, first: int, rows: Iterable[Family]) -> int:
        """Renders a group's families from the `first` on; how many samples they have."""
        samples = 0
        for place, (metric, lines) in enumerate(rows, first):
            before = group.families[place]
            after: list[_Forms] = []
            for number, chunk in enumerate(chunks(metric, lines)):
                after.append(_forms(chunk, before[number] if number < len(before) else None))
                samples += chunk.samples
                await self._give_way(chunk.samples)
            if after != before:
                group.families[place] = after
                for form in range(2):
                    self._checksums.pop((place, form), None)
        return samples

    async def _give_way(self, samples: int) -> None:
        """Lets scrapes and polls have their turn, after as many samples as make a chunk."""
        self._unpaused += samples
        if self._unpaused >= CHUNK:
            self._unpaused = 0
            await asyncio.sleep(0)

    def bodies(self) -> tuple[Body, Body]:
        """The page as text 0.0.4 and as OpenMetrics: what was rendered, and the rest as it is."""
        text, openmetrics = map(Piece.of, self._metrics.render())
        return self._body(0, text), self._body(1, openmetrics)

    def _body(self, form: int, rest: Piece) -> Body:
        packed: list[bytes] = []
        checksums: list[Checksum] = []
        for place in range(len(self._headers)):
            if pieces := self._pieces(place, form):
                packed.extend([piece.packed for piece in pieces])
                checksums.append(self._checksums[place, form])
        whole = Checksum.joined((*checksums, rest.checksum))
        return member((*packed, rest.packed), whole)

    def _pieces(self, place: int, form: int) -> list[Piece]:
        """Those of a family, its header first; none of a family without samples."""
        pieces = [piece[form] for group in self._groups for piece in group.families[place]]
        return [self._headers[place][form], *pieces] if pieces else []

    async def _join(self) -> None:
        """Makes the checksums that are missing, in steps: they depend on the number of groups."""
        for place in range(len(self._headers)):
            for form in range(2):
                if (place, form) not in self._checksums:
                    pieces = self._pieces(place, form)
                    made = Checksum.joined(piece.checksum for piece in pieces)
                    self._checksums[place, form] = made
                    await self._give_way(50 * len(pieces))


def _forms(chunk: Chunk, before: _Forms | None) -> _Forms:
    """The pieces of a chunk; those of before where it is the same."""
    text = Piece.of(chunk.text, before and before[0])
    if chunk.openmetrics is chunk.text:
        return text, text
    return text, Piece.of(chunk.openmetrics, before and before[1])
