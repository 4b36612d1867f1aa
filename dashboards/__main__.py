"""Writes the JSON of every dashboard into this folder."""

from __future__ import annotations

from pathlib import Path

from dashboards.output import pages, render

if __name__ == "__main__":
    for page in pages():
        target = Path(__file__).with_name(f"{page.uid}.json")
        target.write_text(render(page), encoding="utf-8")
