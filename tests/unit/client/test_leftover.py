from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox_exporter.client import leftover
from sandbox_exporter.client.exchange import Exchange

if TYPE_CHECKING:
    from tests.unit.client.conftest import Authority, Recorder, Upstream

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The loop of the tests, and that of the daemon: they close sockets at different moments."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def wire(upstream: Upstream, recorder: Recorder) -> AsyncIterator[Exchange]:
    """Sends to `upstream`."""
    made = Exchange(httpx.URL(upstream.url), ca_file="", connections=2, observer=recorder)
    yield made
    await made.aclose()


async def ask(wire: Exchange, upstream: Upstream) -> object:
    """What one request brings."""
    return (await wire.get("summary", httpx.URL(upstream.url), {}, 5.0)).value


def answer(body: bytes, *, chunked: bool = False) -> bytes:
    """A whole answer as it is sent."""
    if chunked:
        head = b"Transfer-Encoding: chunked\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\n" + head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def a_64_kib_answer() -> bytes:
    """As much as httpcore reads at a time: what follows never reaches h11."""
    return answer(b"[%b]" % (b" " * (65536 - 42 - 2)))


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (answer(b"[1]"), answer(b'["forged"]')),
        (answer(b"[1]", chunked=True), answer(b'["forged"]')),
        (answer(b"[1]"), b"\0"),
        (a_64_kib_answer(), answer(b'["forged"]')),
    ],
    ids=["another answer", "after chunks", "a byte", "beyond what is read at once"],
)
async def test_what_follows_an_answer_is_not_the_next_one(
    wire: Exchange, upstream: Upstream, first: bytes, more: bytes
) -> None:
    """The answer counts, and its connection is not used again."""
    upstream.script(upstream.raw(first + more, close=False), upstream.reply(body=[2]))
    assert len(a_64_kib_answer()) == 65536
    assert await ask(wire, upstream) in ([1], [])
    assert await ask(wire, upstream) == [2]
    assert await ask(wire, upstream) == [2]
    assert len(upstream.requests) == 3
    assert upstream.connections == 2


async def test_no_connection_is_reused_when_what_follows_is_unknown(
    wire: Exchange, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that keeps it elsewhere costs connections, and makes no answer wrong."""
    monkeypatch.setattr(leftover, "_PARSER", attrgetter("_moved"))
    upstream.script(upstream.reply(body=[1]))
    for _ in range(3):
        assert await ask(wire, upstream) == [1]
    assert upstream.connections == 3


async def test_what_follows_an_answer_over_tls_is_not_the_next_one(
    new_upstream: Callable[[], Upstream], recorder: Recorder, authority: Authority
) -> None:
    """Not even in a record of its own, which arrived but was not decrypted."""
    upstream = new_upstream()
    await upstream.start(authority.server)

    async def two_records(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"[1]"))
        writer.write(answer(b'["forged"]'))
        await writer.drain()

    upstream.script(two_records, upstream.reply(body=[2]))
    wire = Exchange(
        httpx.URL(upstream.url), ca_file=str(authority.ca_file), connections=2, observer=recorder
    )
    try:
        assert await ask(wire, upstream) == [1]
        assert [await ask(wire, upstream) for _ in range(3)] == [[2]] * 3
        assert upstream.connections == 2
    finally:
        await wire.aclose()
        await upstream.stop()
