from __future__ import annotations

import asyncio
import gzip
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

from sandbox_exporter import __version__
from sandbox_exporter.client import exchange
from sandbox_exporter.client.exchange import Answer, Exchange
from sandbox_exporter.errors import Reason, UpstreamError

if TYPE_CHECKING:
    from tests.unit.client.conftest import Recorder, Step, Upstream

pytestmark = pytest.mark.anyio


@pytest.fixture
async def wire(upstream: Upstream, recorder: Recorder) -> AsyncIterator[Exchange]:
    """Sends to `upstream`."""
    made = Exchange(httpx.URL(upstream.url), ca_file="", connections=2, observer=recorder)
    yield made
    await made.aclose()


async def send(wire: Exchange, upstream: Upstream, seconds: float = 5.0) -> Answer:
    """Makes one request."""
    return await wire.get("summary", httpx.URL(f"{upstream.url}/usage?a=b"), {}, seconds)


async def failed(wire: Exchange, upstream: Upstream, seconds: float = 5.0) -> UpstreamError:
    """Makes one request that must fail."""
    with pytest.raises(UpstreamError) as caught:
        await send(wire, upstream, seconds)
    assert caught.value.request_id == upstream.requests[-1].headers["x-request-id"]
    return caught.value


async def test_a_request_names_the_exporter_and_has_an_id_of_its_own(
    wire: Exchange, upstream: Upstream
) -> None:
    """Vendors can tell who asks, and find each request by its id."""
    first, second = await send(wire, upstream), await send(wire, upstream)
    headers = upstream.requests[0].headers
    assert upstream.requests[0].target == "/usage?a=b"
    assert headers["user-agent"] == f"sandbox-usage-exporter/{__version__}"
    assert headers["accept"] == "application/json"
    assert headers["accept-encoding"] == "gzip, deflate"
    assert str(uuid.UUID(headers["x-request-id"])) == first.request_id
    assert first.request_id != second.request_id


async def test_connections_are_reused_and_no_cookie_is_kept(
    wire: Exchange, upstream: Upstream
) -> None:
    """Calls stand for themselves although they share connections."""
    upstream.script(upstream.reply(headers={"Set-Cookie": "session=1"}))
    await send(wire, upstream)
    await send(wire, upstream)
    assert "cookie" not in upstream.requests[1].headers


@pytest.mark.parametrize(
    ("status", "code"), [(200, "200"), (503, "503"), (522, "5xx"), (299, "2xx"), (999, "9xx")]
)
async def test_a_status_that_nobody_registered_counts_by_its_class(
    wire: Exchange, upstream: Upstream, recorder: Recorder, status: int, code: str
) -> None:
    """A vendor that makes up statuses cannot make a thousand series of each endpoint."""
    upstream.script(upstream.reply(status))
    await send(wire, upstream)
    assert recorder.requests == [("summary", code)]


async def test_a_compressed_answer_is_read(wire: Exchange, upstream: Upstream) -> None:
    """The value is what was packed."""
    packed = gzip.compress(b'{"vcpu_hours": "1.5"}')
    upstream.script(upstream.reply(200, packed, {"Content-Encoding": "gzip"}))
    assert (await send(wire, upstream)).value == {"vcpu_hours": "1.5"}


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b"<html>"), (502, b""), (429, b'{"code": 429}'), (500, b"[" * 200_000)],
)
async def test_a_failed_status_is_an_answer_whatever_its_body(
    status: int, body: bytes, wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """An error page need not be JSON."""
    upstream.script(upstream.reply(status, body))
    answer = await send(wire, upstream)
    assert answer.status == status
    assert answer.value == ({"code": 429} if status == 429 else None)
    assert recorder.requests == [("summary", str(status))]


async def test_a_failed_status_counts_although_its_body_is_cut(
    wire: Exchange, upstream: Upstream
) -> None:
    """A rejected key is a rejected key, even if the connection breaks after the headers."""
    upstream.script(upstream.raw(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n{"))
    assert (await send(wire, upstream)).status == 401


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"X-Request-ID": "theirs"}, {"request_id": "other"}, "theirs"),
        ({}, {"request_id": "theirs"}, "theirs"),
        ({}, {"request_id": 7}, None),
        ({}, {"request_id": "x" * 129}, None),
        ({}, {"request_id": "two\nlines"}, None),
        ({}, ["request_id"], None),
    ],
)
async def test_the_vendors_request_id_is_preferred(
    headers: dict[str, str],
    body: object,
    expected: str | None,
    wire: Exchange,
    upstream: Upstream,
) -> None:
    """Support will ask for the id that the vendor logged; ours is the fallback."""
    upstream.script(upstream.reply(500, body, headers))
    answer = await send(wire, upstream)
    assert answer.request_id == (expected or upstream.requests[0].headers["x-request-id"])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
    ids=["nothing", "short", "chunk", "not_http"],
)
async def test_a_broken_answer_is_a_connection_failure(
    answer: bytes, wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """What ends before its end, or is no HTTP, counts as `connect`, not as an answer."""
    upstream.script(upstream.raw(answer))
    error = await failed(wire, upstream)
    assert (error.reason, error.status) == (Reason.CONNECT, None)
    assert "the connection to 127.0.0.1" in error.message
    assert recorder.requests == [("summary", "connect")]


async def test_a_reset_is_a_connection_failure(wire: Exchange, upstream: Upstream) -> None:
    """A connection that is dropped says so."""
    upstream.script(upstream.reset)
    assert (await failed(wire, upstream)).reason is Reason.CONNECT


async def test_a_refused_connection_names_the_host(
    wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """Whoever reads the log sees where nobody listens."""
    await upstream.stop()
    with pytest.raises(UpstreamError) as caught:
        await send(wire, upstream)
    assert caught.value.reason is Reason.CONNECT
    assert f"cannot connect to {upstream.url.removeprefix('http://')}" in caught.value.message
    assert recorder.requests == [("summary", "connect")]


@pytest.mark.parametrize("step", ["hang", "drip"])
async def test_the_deadline_ends_a_call(
    step: str, wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """Neither silence nor a drip keeps a call past its deadline."""
    slow: Step = getattr(upstream, step)
    upstream.script(slow)
    error = await failed(wire, upstream, 0.3)
    assert error.reason is Reason.TIMEOUT
    assert error.message.startswith("no whole answer within 0.")
    assert recorder.requests == [("summary", "timeout")]


async def test_a_drip_ends_without_a_deadline_too(
    wire: Exchange, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt never takes longer than its own bound."""
    monkeypatch.setattr(exchange, "ATTEMPT_SECONDS", 0.1)
    upstream.script(upstream.drip)
    assert (await failed(wire, upstream)).reason is Reason.TIMEOUT


async def test_a_silent_server_is_given_up(
    wire: Exchange, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts and says nothing is a timeout."""
    monkeypatch.setitem(exchange._EXTENSIONS["timeout"], "read", 0.1)
    upstream.script(upstream.hang)
    error = await failed(wire, upstream)
    assert error.reason is Reason.TIMEOUT
    assert "was silent for" in error.message


async def test_an_unreachable_host_is_given_up(
    wire: Exchange, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that does not come about in time is a timeout."""
    monkeypatch.setitem(exchange._EXTENSIONS["timeout"], "connect", 1e-9)
    with pytest.raises(UpstreamError, match="no connection to 127") as caught:
        await send(wire, upstream)
    assert caught.value.reason is Reason.TIMEOUT


async def test_an_unusable_answer_counts_with_its_status(
    wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """A success that cannot be read is still a 200 for who counts requests."""
    upstream.script(upstream.reply(200, b"<html>", {"X-Request-ID": "theirs"}))
    with pytest.raises(UpstreamError) as caught:
        await send(wire, upstream)
    assert (caught.value.reason, caught.value.status) == (Reason.SCHEMA, 200)
    assert caught.value.request_id == "theirs"
    assert recorder.requests == [("summary", "200")]


async def test_a_header_that_cannot_be_sent_is_not_shown(
    wire: Exchange, upstream: Upstream
) -> None:
    """A key with a line break fails without appearing in the message."""
    with pytest.raises(UpstreamError) as caught:
        await wire.get("summary", httpx.URL(upstream.url), {"X-API-Key": "a\nb"}, 5.0)
    assert str(caught.value) == "a header holds what HTTP cannot carry"


async def test_a_cancelled_call_counts_nothing(
    wire: Exchange, upstream: Upstream, recorder: Recorder
) -> None:
    """The end of the program is no failure of the vendor."""
    upstream.script(upstream.hang)
    task = asyncio.create_task(send(wire, upstream))
    await upstream.asked.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert recorder.requests == []
