from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox_exporter.client import Failure
from sandbox_exporter.errors import AnswerError, Reason, UpstreamError
from sandbox_exporter.ledger.month import Month, Window
from sandbox_exporter.model import GB, GIB, HOUR, MIB, Field, Readings, Template
from sandbox_exporter.secret import Secret
from sandbox_exporter.vendors.listing import read_templates
from sandbox_exporter.vendors.seacloud.provider import SeaCloud, SeaCloudTemplates, explain, headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.vendors.conftest import FakeClient

MONTH = Month(2026, 11)
SECRET = "sk-live/0123456789abcdef"
WINDOW = Window(MONTH, MONTH.start, MONTH.start + 3600)
SUMMARY = {
    "vcpu_hours": 1.5,
    "ram_gb_hours": "2",
    "storage_capacity_gb": 3,
    "running_sandboxes": 4,
    "data_transfer_gb": 0.5,
    "usage_costs_usd": 6.25,
    "start_time": WINDOW.start * 1000,
    "end_time": WINDOW.end * 1000 - 1000,
    "something_new": {"ignored": True},
}


def fetch(client: FakeClient, endpoint: str) -> Readings:
    """What an account's endpoint makes of the client's answer."""
    endpoints = {e.name: e for e in SeaCloud(client.client).endpoints}

    async def fetched() -> Readings:
        return await endpoints[endpoint].fetch(WINDOW)

    return asyncio.run(fetched())


def listed(client: FakeClient) -> Sequence[Template]:
    """The templates that the client's answers list."""
    return asyncio.run(read_templates(SeaCloudTemplates(client.client)))


def test_the_summary_in_base_units(answering: Callable[..., FakeClient]) -> None:
    """Hours, GiB and GB are multiplied out; the window's end is inclusive in milliseconds."""
    client = answering(SUMMARY)
    assert fetch(client, "summary") == {
        Field.VCPU_SECONDS: 1.5 * HOUR,
        Field.MEMORY_BYTE_SECONDS: 2 * GIB * HOUR,
        Field.PAUSED_STORAGE_BYTES: 3 * GIB,
        Field.RUNNING_SANDBOXES: 4,
        Field.DATA_TRANSFER_BYTES: 0.5 * GB,
        Field.COST_USD: 6.25,
    }
    params = {"start_time": WINDOW.start * 1000, "end_time": WINDOW.end * 1000 - 1}
    assert client.calls == [("summary", "/sandboxes/usage/summary", params)]


def test_a_templates_share(answering: Callable[..., FakeClient]) -> None:
    """The same question with one parameter more."""
    client = answering(SUMMARY)
    readings = asyncio.run(SeaCloudTemplates(client.client).usage("tpl", WINDOW))
    assert readings[Field.COST_USD] == 6.25
    ((endpoint, _, params),) = client.calls
    assert endpoint == "template_summary"
    assert params is not None
    assert params["template_id"] == "tpl"


@pytest.mark.parametrize(
    "echo",
    [
        {"start_time": None, "end_time": None},
        {"start_time": WINDOW.start, "end_time": WINDOW.end - 1},
        {"start_time": str(WINDOW.start * 1000), "end_time": str(WINDOW.end * 1000 - 1)},
        {"end_time": (WINDOW.end - 600) * 1000},
    ],
)
def test_echoes_of_the_window_that_was_asked_for(
    answering: Callable[..., FakeClient], echo: dict[str, object]
) -> None:
    """Left out, in seconds, as text, or ending earlier: all are answers to the question."""
    assert fetch(answering(SUMMARY | echo), "summary")[Field.COST_USD] == 6.25


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start_time", (WINDOW.start + 86400) * 1000),
        ("start_time", 0),
        ("end_time", (WINDOW.end + 60) * 1000),
        ("end_time", (WINDOW.start - 60) * 1000),
    ],
)
def test_numbers_of_another_window_are_refused(
    answering: Callable[..., FakeClient], key: str, value: int
) -> None:
    """They would be shown as the month's usage."""
    with pytest.raises(AnswerError, match=f"^{key}: the answer is for another window"):
        fetch(answering(SUMMARY | {key: value}), "summary")


def test_storage_is_in_mebibytes(answering: Callable[..., FakeClient]) -> None:
    """Strings, as the vendor sends them."""
    client = answering({"storage_mib": "0", "free_storage_mib": "10240"})
    assert fetch(client, "storage") == {
        Field.STORAGE_USED_BYTES: 0.0,
        Field.STORAGE_FREE_BYTES: 10240.0 * MIB,
    }
    assert client.calls[0][1] == "/sandboxes/usage/storage/realtime"


@pytest.mark.parametrize(
    ("endpoint", "month", "field"),
    [
        ("costs", "2026-11", Field.BILLED_COST_CURRENT_USD),
        ("costs_previous", "2026-10", Field.BILLED_COST_PREVIOUS_USD),
    ],
)
def test_costs_of_both_months(
    answering: Callable[..., FakeClient], endpoint: str, month: str, field: Field
) -> None:
    """Each is asked for by its month."""
    client = answering({"month": month, "current_value_usd": 12.5, "usages": []})
    assert fetch(client, endpoint) == {field: 12.5}
    assert client.calls == [(endpoint, "/sandboxes/usage/costs", {"month": month})]


def test_costs_of_another_month_are_refused(answering: Callable[..., FakeClient]) -> None:
    """They would be shown under the wrong one."""
    with pytest.raises(AnswerError, match=r"^month: asked for 2026-11, got another month"):
        fetch(answering({"month": "2026-10", "current_value_usd": 1}), "costs")


@pytest.mark.parametrize(
    "page",
    [
        [{"templateID": "a"}],
        [{"templateID": "a"}, {"templateID": "all"}],
        {"templates": [{"templateID": "a"}]},
        {"items": [{"templateID": "a"}], "total": 1},
        {"data": [{"templateID": "a"}]},
        {"data": {"list": [{"templateID": "a"}], "total": "1"}},
    ],
)
def test_the_list_in_any_envelope(answering: Callable[..., FakeClient], page: object) -> None:
    """Which one the vendor uses is not known."""
    assert listed(answering(page)) == (Template("a"),)


def test_pages_are_read_until_one_brings_nothing_new(
    answering: Callable[..., FakeClient],
) -> None:
    """A total that is too small stops nothing; a template that shows twice counts once."""
    first = {"templates": [{"templateID": f"t{n}"} for n in range(100)], "total": 7}
    second = {"templates": [{"templateID": "t99"}, {"templateID": "t100"}], "total": 7}
    client = answering(first, second, {"templates": None, "total": 7})
    assert [t.id for t in listed(client)] == [f"t{n}" for n in range(101)]
    assert [params for _, _, params in client.calls] == [
        {"limit": 100, "offset": 0},
        {"limit": 100, "offset": 100},
        {"limit": 100, "offset": 102},
    ]


def test_a_list_without_end_is_refused(answering: Callable[..., FakeClient]) -> None:
    """A vendor that always has another page does not get the exporter to fill its memory."""
    client = answering(*([{"templateID": f"t{page}"}] for page in range(1001)))
    with pytest.raises(UpstreamError, match="over 1000 pages") as caught:
        listed(client)
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("item", "template"),
    [
        (
            {
                "templateID": "a",
                "names": [None, "", "first", "second"],
                "aliases": ["alias"],
                "type": "base",
                "version": 3,
                "spawnCount": "7",
                "lastSpawnedAt": "2026-11-05T00:00:00Z",
            },
            Template("a", "first", "base", "3", 7, 1793836800.0),
        ),
        ({"templateID": "a", "names": [], "aliases": ["x" * 300]}, Template("a", "x" * 256)),
        ({"templateID": "a", "lastSpawnedAt": 1793836800}, Template("a", last_spawned=1793836800)),
        (
            {"templateID": "a", "lastSpawnedAt": 1793836800000},
            Template("a", last_spawned=1793836800),
        ),
        (
            {"templateID": "a", "lastSpawnedAt": "2026-11-05T00:00:00"},
            Template("a", last_spawned=1793836800),
        ),
        ({"templateID": "a", "lastSpawnedAt": "yesterday"}, Template("a")),
        ({"templateID": "a", "lastSpawnedAt": True}, Template("a")),
    ],
)
def test_a_template_as_it_is_listed(
    answering: Callable[..., FakeClient], item: object, template: Template
) -> None:
    """The first name there is, and times in whatever form; what only orders polls may be odd."""
    assert listed(answering([item])) == (template,)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"error": "x"}, r"^answer: expected an array of templates"),
        ("text", r"^answer: expected an object"),
    ],
)
def test_a_list_that_is_none_is_refused(
    answering: Callable[..., FakeClient], page: object, message: str
) -> None:
    """The path of the field is told."""
    with pytest.raises(AnswerError, match=message):
        listed(answering(page))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ITEM = st.fixed_dictionaries(
    {"templateID": st.text(min_size=1, max_size=3)},
    optional=dict.fromkeys(
        ("names", "aliases", "type", "version", "spawnCount", "lastSpawnedAt"),
        JSON | st.lists(JSON, max_size=3) | st.datetimes().map(lambda d: d.isoformat()),
    ),
)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (1, "templates[7]: expected an object, got 1"),
        ({}, "templates[7].templateID: expected text of 1 to 256 characters, got nothing"),
        *(
            ({"templateID": bad}, f"templates[7].templateID: expected {told}")
            for bad, told in (
                ("", "text of 1 to 256 characters, got text"),
                (5, "text of 1 to 256 characters, got 5"),
                ("x" * 257, "text of 1 to 256 characters, got text"),
                ("a\nb", "printable text, got text"),
                ("a\0", "printable text, got text"),
                ("\ud800", "printable text, got text"),
            )
        ),
        ({"templateID": SECRET}, "templates[7].templateID: holds the account's own secret"),
        (
            {"templateID": f"x-{b64encode(SECRET.encode()).decode()}"},
            "templates[7].templateID: holds the account's own secret",
        ),
    ],
)
def test_an_item_that_cannot_be_used_is_left_out(
    answering: Callable[..., FakeClient], item: object, message: str
) -> None:
    """The others are listed, whatever it is, and what is wrong with it is told."""
    client = answering([{"templateID": "a"}, item, {"templateID": "b"}])
    client.secret = SECRET
    page = asyncio.run(SeaCloudTemplates(client.client).page(6))
    assert [template.id for template in page.templates] == ["a", "b"]
    assert (page.items, list(page.left_out.values())) == (3, [message])


@pytest.mark.parametrize(
    ("fields", "template"),
    [
        ({"names": "n", "aliases": {"a": 1}}, Template("a")),
        ({"names": [[], "n\n\ud800"]}, Template("a", "n\n?")),
        ({"type": [], "version": True}, Template("a")),
        ({"spawnCount": -1}, Template("a")),
        ({"spawnCount": "many"}, Template("a")),
        (
            {"names": [SECRET], "type": f"<{quote(SECRET, safe='')}>", "version": f"{SECRET}!"},
            Template("a", "***", "<***>", "***!"),
        ),
        ({"names": ["x" * 250 + SECRET]}, Template("a", "x" * 250 + "***")),
    ],
)
def test_a_field_that_cannot_be_read_counts_as_missing(
    answering: Callable[..., FakeClient], fields: dict[str, object], template: Template
) -> None:
    """What only describes a template refuses neither the list nor the template, nor tells a key."""
    client = answering([{"templateID": "a", **fields}])
    client.secret = SECRET
    assert listed(client) == (template,)


def test_a_page_of_items_that_cannot_be_used_is_not_the_end(
    answering: Callable[..., FakeClient],
) -> None:
    """The ones after it are listed; the same page once more ends the list."""
    client = answering([{"templateID": "a"}], [{"templateID": ""}], [{"templateID": "b"}])
    assert [template.id for template in listed(client)] == ["a", "b"]
    assert listed(answering([None, {"templateID": 1}])) == ()


@given(st.lists(ITEM | JSON, max_size=3) | JSON)
def test_no_list_breaks_the_reading(answering: Callable[..., FakeClient], page: object) -> None:
    """Whatever comes is a list of sane templates or a schema error."""
    try:
        templates = listed(answering(page, []))
    except AnswerError:
        return
    for template in templates:
        for label in (template.id, template.name, template.type, template.version):
            label.encode()
        assert max(len(template.name), len(template.type), len(template.version)) <= 256
        assert template.last_spawned < 1e14


@given(st.dictionaries(st.sampled_from([*SUMMARY, "month", "current_value_usd"]), JSON))
def test_no_answer_breaks_an_endpoint(
    answering: Callable[..., FakeClient], answer: dict[str, object]
) -> None:
    """Every endpoint gives good quantities or a schema error."""
    for endpoint in ("summary", "storage", "costs", "costs_previous"):
        try:
            readings = fetch(answering(answer), endpoint)
        except AnswerError:
            continue
        assert all(0 <= value < 1e30 for value in readings.values())


def test_an_account_without_templates(answering: Callable[..., FakeClient]) -> None:
    """The breakdown can be switched off."""
    assert SeaCloud(answering().client, with_templates=False).templates is None


def test_the_headers_of_the_vendors_client() -> None:
    """The project only where there is one."""
    key = {"X-API-Key": "k", "Authorization": "Bearer k"}
    assert headers(Secret("k"), "") == key
    assert headers(Secret("k"), "p") == {**key, "X-Project-ID": "p"}


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (
            400,
            {"code": 10001, "message": "error", "error": {"code": "INVALID", "details": "bad"}},
            (Reason.INVALID_REQUEST, "INVALID: bad"),
        ),
        (
            400,
            {"message": "error", "error": {"code": "INVALID"}},
            (Reason.INVALID_REQUEST, "INVALID"),
        ),
        (404, {"error": "not found"}, (Reason.NOT_FOUND, "not found")),
        (429, {"code": 429, "message": "rate limited"}, (Reason.RATE_LIMITED, "rate limited")),
        (
            429,
            {"error": {"details": {"reason": "usage_limit"}}},
            (Reason.QUOTA, "usage limit reached"),
        ),
        (429, {"details": {"reason": "usage_limit"}}, (Reason.QUOTA, "usage limit reached")),
        (429, {"error": {"details": {"reason": "other"}}}, None),
        (500, {"error": 5, "message": 5}, None),
        (502, "<html>", None),
    ],
)
def test_the_vendors_three_error_shapes(
    status: int, body: object, failure: tuple[Reason, str] | None
) -> None:
    """Their words explain the failure; an exhausted quota is not throttling."""
    assert explain(status, body) == (Failure(*failure) if failure else None)
