from __future__ import annotations

import io
import shlex
from pathlib import Path

from sandbox_exporter.backfill.plan import Plan, Scope
from sandbox_exporter.backfill.report import Report
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.workspace import Progress
from sandbox_exporter.model import Template
from sandbox_exporter.vendors.base import Cycle

PLAN = Plan(
    "seacloud",
    "prod",
    Span(0, 86400),
    Cycle.HOUR,
    241,
    [Scope(None, {}), Scope(Template("tpl"), {})],
    [],
)


class Terminal(io.StringIO):
    """A standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_plan_tells_the_cost_beforehand() -> None:
    """Calls and the time that they take at the account's limit."""
    out = io.StringIO()
    Report(out, io.StringIO()).planned(PLAN, 120)
    assert out.getvalue() == (
        "prod: 1970-01-01 to 1970-01-02 by the hour, 1 template: 241 API calls at most, "
        "3 min at 120 a minute\n"
    )


def test_progress_is_for_terminals() -> None:
    """One line that is written over, and gone before the next message."""
    out, terminal, file = io.StringIO(), Terminal(), io.StringIO()
    report = Report(out, terminal)
    report.request("summary", "200", 0.1)
    report.progress(PLAN, Progress(scope=1, window=3600, samples=12))
    said = "prod: template 1 of 1, until 1970-01-01T01:00:00Z, 12 samples, 1 API calls"
    assert terminal.getvalue() == said
    report.say("line")
    assert terminal.getvalue() == f"{said}\r{' ' * len(said)}\r"
    Report(out, file).progress(PLAN, Progress())
    assert file.getvalue() == ""


def test_end_names_the_command_to_run() -> None:
    """Ready for a shell, whatever the file is called."""
    out = io.StringIO()
    Report(out, io.StringIO()).done(Progress(samples=5), Path("my history.om"))
    assert shlex.split(out.getvalue().splitlines()[-1]) == [
        *("promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=768h"),
        *("my history.om", "my history.om.blocks"),
    ]
