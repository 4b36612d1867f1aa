"""The families of the file to be, each in a part of its own until all are whole.

OpenMetrics wants a family's samples together and a series' samples in a row. Accounts and templates
are read one after the other, so appending to a part for each family gives that order, however long
the span.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from sandbox_exporter.catalogue import Metric, catalogue
from sandbox_exporter.exposition.text import header

_BUFFER = 1 << 20


class Parts:
    """Part files in a folder."""

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        """Cuts the parts of an earlier run to `sizes` (bytes, by metric), when these are whole.

        Raises `OSError` when a part is shorter than that.
        """
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        for path in folder.glob("*.part"):
            size = sizes.get(path.stem, 0)
            if path.stat().st_size < size:
                raise OSError(f"{path} is incomplete; remove {folder} and start again")
            with path.open("r+b") as file:
                file.truncate(size)

    def write(self, metric: Metric, lines: str) -> None:
        """Appends lines to a family."""
        file = self._files.get(metric.name)
        if file is None:
            file = self._path(metric).open("ab", buffering=_BUFFER)
            self._files[metric.name] = file
        file.write(lines.encode())

    def flush(self) -> dict[str, int]:
        """Hands everything to the system; the sizes that the parts now have."""
        for file in self._files.values():
            file.flush()
        return {path.stem: path.stat().st_size for path in self._folder.glob("*.part")}

    def close(self) -> None:
        """Closes the parts."""
        for file in self._files.values():
            file.close()

    def join(self, output: Path) -> None:
        """Makes the OpenMetrics file of all parts; it is there as a whole or not at all."""
        self.flush()
        unfinished = self._folder / "joined"
        with unfinished.open("wb") as target:
            for metric in self._present():
                target.write(header(metric, openmetrics=True).encode())
                with self._path(metric).open("rb") as part:
                    shutil.copyfileobj(part, target, _BUFFER)
            target.write(b"# EOF\n")
        unfinished.replace(output)

    def _present(self) -> Iterable[Metric]:
        return (m for m in catalogue() if self._path(m).exists() and self._path(m).stat().st_size)

    def _path(self, metric: Metric) -> Path:
        return self._folder / f"{metric.name}.part"
