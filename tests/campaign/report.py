"""What a campaign found: figures in tables, and what did not hold."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """Figures of one part, with the seed that makes it again."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Adds a row."""
        self.rows.append(tuple(_text(cell) for cell in cells))

    def markdown(self) -> str:
        """The table as it stands in a document."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"### {self.title}\n\n{rows}\n"


@dataclass
class Report:
    """The tables of all parts, and the violations."""

    command: str
    tables: list[Table] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self, title: str, *columns: str) -> Table:
        """A new table."""
        table = Table(title, columns)
        self.tables.append(table)
        return table

    def complain(self, text: str) -> None:
        """Notes that something did not hold, and says so at once."""
        print(f"VIOLATION {text}", flush=True)
        self.violations.append(text)

    def markdown(self) -> str:
        """The whole report."""
        machine = f"{platform.machine()}, Python {platform.python_version()}"
        parts = [f"`{self.command}` ({machine})\n", *(table.markdown() for table in self.tables)]
        parts += [f"{note}\n" for note in self.notes]
        found = "\n".join(f"- {text}" for text in self.violations) or "None."
        return "\n".join([*parts, f"### Violations: {len(self.violations)}\n\n{found}\n"])

    def write(self, path: Path) -> None:
        """Writes the report, and prints it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.markdown())
        print(self.markdown(), flush=True)
        print(f"written to {path}", flush=True)


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
