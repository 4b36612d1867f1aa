"""What a backfill tells its user: the plan, the progress, what is missing, and what to run next."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TextIO

from sandbox_exporter.backfill.plan import Plan
from sandbox_exporter.backfill.span import iso
from sandbox_exporter.backfill.workspace import Progress
from sandbox_exporter.errors import Reason

BLOCK_HOURS = 768
"""promtool reads the whole file once for each block that it makes; its usual ones have 2 hours."""


class Report:
    """Writes lines to `out` and, where it is a terminal, the progress to `err`.

    It also counts the upstream calls, as the HTTP client's observer.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._terminal = err if err.isatty() else None
        self._calls = 0
        self._shown = ""

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Counts a call."""
        del endpoint, code, seconds
        self._calls += 1

    def error(self, endpoint: str, reason: Reason) -> None:
        """Failed calls were counted as calls."""

    def say(self, line: str) -> None:
        """Writes a line."""
        self.clear()
        print(line, file=self._out, flush=True)

    def planned(self, plan: Plan, per_minute: int) -> None:
        """Says what will be done and what it will cost."""
        minutes = math.ceil(plan.calls / per_minute)
        templates = len(plan.scopes) - 1
        self.say(
            f"{plan.account}: {plan.span} by the {plan.resolution.name.lower()}, "
            f"{templates} template{'s' if templates != 1 else ''}: {plan.calls} API calls at most, "
            f"{minutes} min at {per_minute} a minute"
        )
        self._calls = 0

    def progress(self, plan: Plan, progress: Progress) -> None:
        """Shows on a terminal how far the work has come."""
        if self._terminal is None:
            return
        self.clear()
        part = f"template {progress.scope} of {len(plan.scopes) - 1}" if progress.scope else "total"
        self._shown = (
            f"{plan.account}: {part}, until {iso(progress.window)}, "
            f"{progress.samples} samples, {self._calls} API calls"
        )
        print(self._shown, end="", file=self._terminal, flush=True)

    def clear(self) -> None:
        """Takes the progress off the terminal."""
        if self._terminal is not None and self._shown:
            print(f"\r{' ' * len(self._shown)}\r", end="", file=self._terminal, flush=True)
            self._shown = ""

    def missing(self, progress: Progress) -> None:
        """Says what the vendor did not tell."""
        for scope, text, start, end in progress.notes:
            self.say(f"{scope}: {iso(start)} to {iso(end)}: {text}")

    def done(self, progress: Progress, output: Path) -> None:
        """Says which command makes blocks of the file."""
        self.say(f"{output}: {progress.samples} samples")
        blocks = output.with_name(f"{output.name}.blocks")
        self.say("Now make blocks, and move them into Prometheus' storage folder:")
        self.say(
            "  promtool tsdb create-blocks-from openmetrics "
            f"--max-block-duration={BLOCK_HOURS}h {shlex.quote(str(output))} "
            f"{shlex.quote(str(blocks))}"
        )
