"""Whatever JSON a vendor sends, reading it gives sound numbers or one clear error."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import cast

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sandbox_exporter.client import Client, body
from sandbox_exporter.config.model import Account, SecretRef
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.vendors import AtOnce, TemplateSource, build, build_history
from sandbox_exporter.vendors.listing import read_templates
from tests.campaign.behaviours.model import FIELDS
from tests.campaign.report import Report

_MONTH = Month(2026, 11)
_WINDOW = Window(_MONTH, _MONTH.start, _MONTH.start + 3600)
_KEYS = sorted(
    {name for names in FIELDS.values() for name in names}
    | {"start_time", "end_time", "month", "templates", "items", "data", "list", "results"}
    | {"templateID", "names", "aliases", "type", "version", "spawnCount", "lastSpawnedAt"}
    | {"points", "timestamp", "value", "usages", "amount", "date", "day", "time", "cycle_type"}
)
_SCALARS: SearchStrategy[object] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{1,5})?", fullmatch=True),
    st.sampled_from([_WINDOW.start * 1000, _WINDOW.end * 1000, str(_MONTH), 1e15, -0.0]),
)
_DOCUMENTS: SearchStrategy[object] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.sampled_from(_KEYS), inner, max_size=10),
        st.dictionaries(st.text(max_size=10), inner, max_size=3),
    ),
    max_leaves=25,
)


class _Saying:
    """Stands in for the HTTP client, and answers everything alike."""

    def __init__(self, document: object) -> None:
        self._text = json.dumps(document).encode()

    async def get(
        self, endpoint: str, path: str, params: Mapping[str, str | int] | None = None
    ) -> object:
        """The document, as the client reads it."""
        return body.parse(self._text)

    def mask(self, text: str) -> str:
        """Nothing is hidden, for nothing is secret here."""
        return text


def _account(provider: str) -> Account:
    secret = SecretRef("env", "NONE")
    return Account("a", provider, "http://x", secret, {"organization": "o"})


async def _read_everything(document: object) -> int:
    """Asks every route for the document; how many of them could make something of it."""
    understood = 0
    client = cast(Client, _Saying(document))
    for name in ("seacloud", "dreadnode"):
        provider = build(_account(name), client)
        for endpoint in provider.endpoints:
            try:
                readings = await endpoint.fetch(_WINDOW)
            except UpstreamError as error:
                assert error.message.isprintable(), error.message
                continue
            understood += 1
            assert all(math.isfinite(value) and value >= 0 for value in readings.values()), readings
        if not isinstance(provider.templates, AtOnce | None):
            understood += await _read_templates(provider.templates)
    history = build_history(_account("seacloud"), client)
    for trend in history.trends if history else ():
        try:
            buckets = await trend.fetch(trend.cycles[0], _WINDOW, None)
        except UpstreamError:
            continue
        understood += 1
        assert not any(math.isinf(bucket) or bucket < 0 for bucket in buckets), buckets
    return understood


async def _read_templates(source: TemplateSource) -> int:
    try:
        templates = await read_templates(source)
    except UpstreamError:
        return 0
    for template in templates:
        assert 0 < len(template.id) <= 256, template.id
        assert template.id.isprintable(), template.id
    return 1


def run(number: int, report: Report, examples: int) -> None:
    """Reads so many generated documents by every route."""
    understood = read = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_DOCUMENTS)
    def decode(document: object) -> None:
        nonlocal understood, read
        read += 1
        understood += asyncio.run(_read_everything(document))

    try:
        decode()
    except AssertionError as error:
        report.complain(f"[hypothesis seed {number}] a document was misread: {error}")
    table = report.table(
        f"Generated JSON on every route, hypothesis seed {number}", "what", "figure"
    )
    table.add("documents", read)
    table.add("times that a route could read one", understood)
