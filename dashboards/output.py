"""Every dashboard, and its JSON."""

from __future__ import annotations

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import health, oncall, spend, usage
from dashboards.frame import Page, build


def pages() -> list[Page]:
    """The dashboards that there are."""
    return [usage.page(), spend.page(), oncall.page(), health.page()]


def render(page: Page) -> str:
    """A dashboard's file, the same text whenever it is made."""
    return json.dumps(build(page), cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
