from __future__ import annotations

from pathlib import Path

import pytest

from sandbox_exporter.backfill.plan import Plan, Refusal, Scope
from sandbox_exporter.backfill.span import Span
from sandbox_exporter.backfill.workspace import Progress, Workspace
from sandbox_exporter.ledger.month import Month
from sandbox_exporter.model import Field, Template
from sandbox_exporter.vendors.base import Cycle

PLAN = Plan(
    "seacloud",
    "prod",
    Span(0, 86400),
    Cycle.HOUR,
    7,
    [
        Scope(None, {Month(1970, 1): (86400, {Field.COST_USD: 0.1 + 0.2})}),
        Scope(Template("tpl", "name", "custom", "v1"), {}),
    ],
    [Refusal("tpl", 0, 86400, "gone")],
)


def test_work_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Plans and progress come back as they were, to the last digit."""
    workspace = Workspace(tmp_path / "out.om", "same")
    assert workspace.plans is None
    workspace.begin([PLAN])
    progress = workspace.progress
    progress.scope, progress.window, progress.samples = 1, 3600, 12
    progress.sizes = {"family": 9}
    progress.position.until = 3600
    progress.position.shown = {Field.COST_USD: 1 / 3}
    progress.note("prod", "text", 0, 60)
    workspace.save()
    workspace.close()
    again = Workspace(tmp_path / "out.om", "same")
    assert again.plans == [PLAN]
    assert again.progress == progress
    again.remove()
    again.close()
    assert not list(tmp_path.iterdir())


def test_other_arguments_are_refused(tmp_path: Path) -> None:
    """Parts of two backfills never mix."""
    workspace = Workspace(tmp_path / "out.om", "some")
    workspace.begin([PLAN])
    workspace.close()
    with pytest.raises(OSError, match="unfinished backfill with other arguments"):
        Workspace(tmp_path / "out.om", "others")


def test_two_processes_are_refused(tmp_path: Path) -> None:
    """The second one is told so."""
    workspace = Workspace(tmp_path / "out.om", "same")
    with pytest.raises(OSError, match="in use by another process"):
        Workspace(tmp_path / "out.om", "same")
    workspace.close()


def test_damaged_files_are_named(tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / "out.om.parts").mkdir()
    (tmp_path / "out.om.parts" / "plan.json").write_text("{")
    with pytest.raises(OSError, match=r"plan\.json is damaged; remove .* and start again"):
        Workspace(tmp_path / "out.om", "same")


def test_notes_of_adjoining_times_become_one() -> None:
    """Only of the same scope and text."""
    progress = Progress()
    for note in (("a", "x", 0, 1), ("b", "x", 1, 2), ("a", "x", 1, 2), ("a", "x", 3, 4)):
        progress.note(*note)
    assert progress.notes == [("a", "x", 0, 2), ("b", "x", 1, 2), ("a", "x", 3, 4)]
