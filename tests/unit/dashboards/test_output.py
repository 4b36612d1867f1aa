from __future__ import annotations

from pathlib import Path

from dashboards.output import pages, render

FOLDER = Path(__file__).parents[3] / "dashboards"


def test_files_are_what_the_code_makes() -> None:
    """No file is behind the code: `make docs` was run after the last change."""
    made = {f"{page.uid}.json": render(page) for page in pages()}
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == made


def test_uids_are_those_that_alerts_link_to() -> None:
    """Links from alerts and bookmarks lead to dashboards that are there."""
    assert [page.uid for page in pages()] == [
        "sandbox-usage",
        "sandbox-spend",
        "sandbox-oncall",
        "sandbox-exporter-health",
    ]
