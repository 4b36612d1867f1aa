from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox_exporter.client import exchange
from sandbox_exporter.client.client import Client
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.status import Failure
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.secret import Secret
from sandbox_exporter.supervisor import FaultLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.client.conftest import Authority, MakeClient, Recorder, Upstream

pytestmark = pytest.mark.anyio


async def failed(client: Client) -> UpstreamError:
    """Makes a call that must fail."""
    with pytest.raises(UpstreamError) as caught:
        await client.get("summary", "/usage")
    return caught.value


async def test_a_call_goes_below_the_base_url(client: Client, upstream: Upstream) -> None:
    """Prefix, path and parameters make the URL, and the key goes along."""
    upstream.script(upstream.reply(200, {"running_sandboxes": 3}))
    value = await client.get("summary", "/usage/summary", {"template_id": "a&b/ü", "start_time": 1})
    assert value == {"running_sandboxes": 3}
    assert upstream.requests[0].target == (
        "/api/v1/usage/summary?template_id=a%26b%2F%C3%BC&start_time=1"
    )
    assert upstream.requests[0].headers["x-api-key"] == "made-up-key"


async def test_a_base_url_that_is_none_is_refused(client_of: MakeClient) -> None:
    """What no URL can be read from is a mistake of the caller."""
    with pytest.raises(ValueError, match="not a URL"):
        client_of("http://[::")


async def test_a_path_that_makes_no_url_is_an_invalid_request(client: Client) -> None:
    """A name that no URL can hold fails the call alone."""
    with pytest.raises(UpstreamError) as caught:
        await client.get("summary", "/usage", {"template_id": "x" * 70_000})
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("fault", ["server", "throttled", "reset", "truncated"])
async def test_what_may_heal_is_tried_again(
    fault: str, client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """A passing fault costs a retry and no data, and each attempt is counted."""
    faults = {
        "server": (upstream.reply(503), "503", Reason.SERVER),
        "throttled": (upstream.reply(429), "429", Reason.RATE_LIMITED),
        "reset": (upstream.reset, "connect", Reason.CONNECT),
        "truncated": (
            upstream.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
            "connect",
            Reason.CONNECT,
        ),
    }
    step, code, reason = faults[fault]
    upstream.script(step, step, upstream.reply(200, [1]))
    assert await client.get("summary", "/usage") == [1]
    assert recorder.requests == [("summary", code), ("summary", code), ("summary", "200")]
    assert recorder.errors == [("summary", reason)] * 2
    assert recorder.sleeps == [0.5, 1.0]


async def test_a_call_is_tried_three_times_at_most(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """What does not heal fails with the error of the last attempt."""
    upstream.script(upstream.reply(500), upstream.reply(500), upstream.reply(502))
    error = await failed(client)
    assert (error.reason, error.status) == (Reason.SERVER, 502)
    assert len(upstream.requests) == 3
    assert len(recorder.errors) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 418, 422, 426, 501])
async def test_what_cannot_heal_is_not_tried_again(
    status: int, client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """A request that is wrong stays wrong."""
    upstream.script(upstream.reply(status))
    assert (await failed(client)).status == status
    assert len(upstream.requests) == len(recorder.errors) == 1


@pytest.mark.parametrize(
    ("body", "reason"), [(b"<html>", Reason.SCHEMA), (bytes(17 * 2**20), Reason.TOO_LARGE)]
)
async def test_an_unusable_answer_is_not_asked_for_again(
    body: bytes, reason: Reason, client: Client, upstream: Upstream
) -> None:
    """What cannot be read fails at once."""
    upstream.script(upstream.reply(200, body))
    assert (await failed(client)).reason is reason
    assert len(upstream.requests) == 1


async def test_a_used_up_quota_is_no_throttling(client_of: MakeClient, upstream: Upstream) -> None:
    """When the vendor says that the quota is used up, waiting does not help."""
    client = client_of(
        upstream.url, explain=lambda status, body: Failure(Reason.QUOTA, "no credit")
    )
    upstream.script(upstream.reply(429, {"detail": "no credit"}, {"Retry-After": "1"}))
    error = await failed(client)
    assert (error.reason, error.message) == (
        Reason.QUOTA,
        "HTTP 429 Too Many Requests: no credit",
    )
    assert len(upstream.requests) == 1


async def test_the_wait_that_the_vendor_asks_for_is_kept(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """`Retry-After` comes before the backoff, which is added as jitter."""
    upstream.script(upstream.reply(503, headers={"Retry-After": "7"}), upstream.reply())
    await client.get("summary", "/usage")
    assert recorder.sleeps == [7.5]


async def test_no_retry_goes_past_the_deadline(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """A wait that is too long for the poll fails at once, and says how long it would be."""
    upstream.script(upstream.reply(503, headers={"Retry-After": "60"}))
    client.begin(30)
    error = await failed(client)
    assert (error.reason, error.retry_after) == (Reason.SERVER, 60)
    assert recorder.sleeps == []


async def test_a_throttled_endpoint_is_asked_no_more_until_it_may(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """After a long `Retry-After`, calls fail unsent, and are counted as errors."""
    upstream.script(upstream.reply(429, headers={"Retry-After": "86400"}))
    client.begin(30)
    error = await failed(client)
    told = "the vendor asked for a pause of 86400 s, kept for 900 s"
    assert error.message == f"HTTP 429 Too Many Requests; {told}"
    error = await failed(client)
    assert (error.reason, error.message) == (Reason.RATE_LIMITED, told)
    assert error.retry_after == pytest.approx(900, abs=5)
    assert len(upstream.requests) == len(recorder.requests) == 1
    assert recorder.errors == [("summary", Reason.RATE_LIMITED)] * 2


async def test_a_pause_of_years_ends_soon(
    client_of: MakeClient, upstream: Upstream, recorder: Recorder
) -> None:
    """What the vendor asks for is kept only for as long as the numbers can do without."""
    client = client_of(upstream.url, longest_pause=150.0)
    upstream.script(
        upstream.reply(503, headers={"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        upstream.reply(),
    )
    client.begin(30)
    assert (await failed(client)).message.endswith("s, kept for 150 s")
    await recorder.sleep(151)
    client.begin(30)
    assert await client.get("summary", "/usage") == {}


async def test_a_pause_that_the_vendor_prolongs_holds_for_calls_that_wait(
    client_of: MakeClient, upstream: Upstream, recorder: Recorder
) -> None:
    """A call waits for the pause as it is when the wait ends, not as it was when it began."""
    client = client_of(upstream.url)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            client._gate.pause("summary", 60.0)  # as the answer to a call under way does
        await recorder.sleep(seconds)

    client._gate._sleep = sleep
    client._gate.pause("summary", 20.0)
    began = recorder.clock()
    await client.get("summary", "/usage")
    assert len(waits) == 2
    assert recorder.clock() - began >= 60.0
    assert len(client._gate._limiter._taken) == 1  # no call of the limit is spent on waiting


@pytest.mark.parametrize("held_by", ["slot", "limit"])
async def test_a_pause_that_begins_while_a_call_waits_for_its_turn_holds_too(
    held_by: str, client_of: MakeClient, upstream: Upstream, recorder: Recorder
) -> None:
    """Whatever it was that the call waited for."""
    client = client_of(upstream.url)
    gate = client._gate
    if held_by == "slot":
        acquire = gate._slots.acquire

        async def held() -> bool:
            if not recorder.sleeps:
                gate.pause("summary", 60.0)
            return await acquire()

        gate._slots.acquire = held  # type: ignore[method-assign,assignment]
    else:
        take = gate._limiter.take

        async def taken(deadline: float) -> bool:
            if not recorder.sleeps:
                gate.pause("summary", 60.0)
            return await take(deadline)

        gate._limiter.take = taken  # type: ignore[method-assign,assignment]
    began = recorder.clock()
    await client.get("summary", "/usage")
    assert recorder.clock() - began >= 60.0
    assert len(upstream.requests) == 1


async def test_a_paused_endpoint_takes_no_slot_from_the_others(
    client_of: MakeClient, upstream: Upstream
) -> None:
    """The calls of an endpoint that wait for its pause leave the way free."""
    paused = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    client = client_of(upstream.url, concurrency=1, sleep=sleep)
    client._gate.pause("summary", 60.0)
    waiting = asyncio.create_task(client.get("summary", "/usage"))
    await paused.wait()
    assert await client.get("costs", "/costs") == {}
    waiting.cancel()


@pytest.mark.parametrize("where", ["retry", "pause"])
async def test_a_sleep_that_never_returns_ends_with_the_call(
    where: str, client_of: MakeClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the clock does to a timer, no wait outlives the deadline."""
    monkeypatch.setattr("sandbox_exporter.client.client._GRACE", 0.0)

    async def sleep(_seconds: float) -> None:
        await asyncio.Event().wait()

    client = client_of(upstream.url, sleep=sleep, jitter=lambda: 0.0)
    upstream.script(upstream.reply(503))
    if where == "pause":
        client._gate.pause("summary", 0.1)
    client.begin(0.3)
    async with asyncio.timeout(30):
        error = await failed(client)
    assert (error.reason, error.message) == (
        Reason.TIMEOUT,
        "the call did not end by its deadline",
    )


@pytest.mark.parametrize(
    "location", ["https:////[x", "https://[x", "http://xn--/", "http://a:x/", "\x7f", "https:///x"]
)
async def test_a_redirect_to_nonsense_is_a_schema_error(
    location: str, client: Client, upstream: Upstream
) -> None:
    """Whatever the libraries below raise for it."""
    upstream.script(upstream.reply(302, headers={"Location": location}))
    assert (await failed(client)).reason is Reason.SCHEMA


class Cleanup(httpx.AsyncByteStream):
    """An answer that never ends, and whose clean-up fails."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.reading = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.reading.set()
        await asyncio.Event().wait()
        yield b""

    async def aclose(self) -> None:
        raise self.fault


@pytest.mark.parametrize(
    "fault", [RuntimeError("clean-up"), httpx.ReadError("clean-up"), TimeoutError("clean-up")]
)
async def test_a_fault_in_the_clean_up_swallows_no_cancellation(
    fault: Exception, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled call is not tried again, though what ends it looks like a broken connection."""
    client = client_of("http://127.0.0.1:1")
    answer = Cleanup(fault)
    sent: list[httpx.Request] = []

    async def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, stream=answer)

    monkeypatch.setattr(client._exchange._transport, "handle_async_request", handle)
    faults = FaultLog()
    task = asyncio.create_task(faults.contain("summary", client.get("summary", "/usage")))
    await answer.reading.wait()
    task.cancel()
    await asyncio.wait([task], timeout=30)
    assert task.cancelled()
    assert len(sent) == 1


async def test_timeouts_leave_no_cancellation_behind(
    client: Client, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The libraries end calls by cancelling too, and take that back."""
    monkeypatch.setitem(exchange._EXTENSIONS["timeout"], "read", 0.05)
    upstream.script(upstream.hang)
    assert (await failed(client)).reason is Reason.TIMEOUT
    client.begin(0.1)
    assert (await failed(client)).reason is Reason.TIMEOUT
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_other_calls_wait_while_their_endpoint_is_throttled(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """One call's throttling holds back the next one, for as long as the vendor asked."""
    upstream.script(
        upstream.reply(429, headers={"Retry-After": "20"}), upstream.reply(403), upstream.reply()
    )
    await failed(client)
    await client.get("costs", "/costs")
    assert recorder.sleeps[0] == 20.5
    assert all(wait == pytest.approx(20.5, abs=5) for wait in recorder.sleeps)


async def test_each_attempt_takes_a_token(client_of: MakeClient, upstream: Upstream) -> None:
    """Retries count against the account's own limit too."""
    limiter = Limiter(10)
    upstream.script(upstream.reply(500), upstream.reply())
    await client_of(upstream.url, limiter=limiter).get("summary", "/usage")
    assert limiter.wait(7) == 0.0 < limiter.wait(8)


async def test_a_call_that_the_own_limit_forbids_is_not_sent(
    client_of: MakeClient, upstream: Upstream, recorder: Recorder
) -> None:
    """The message names the setting that stands in the way."""
    client = client_of(upstream.url, limiter=Limiter(1))
    client.begin(30)
    await client.get("summary", "/usage")
    error = await failed(client)
    assert error.reason is Reason.RATE_LIMITED
    assert "own limit max_requests_per_minute" in error.message
    assert len(upstream.requests) == 1
    assert recorder.errors == [("summary", Reason.RATE_LIMITED)]


async def test_a_retry_that_the_own_limit_forbids_tells_the_first_failure(
    client_of: MakeClient, upstream: Upstream, recorder: Recorder
) -> None:
    """What went wrong upstream matters more than why it was not tried again."""
    client = client_of(upstream.url, limiter=Limiter(1))
    client.begin(30)
    upstream.script(upstream.reply(500))
    assert (await failed(client)).reason is Reason.SERVER
    assert recorder.errors == [("summary", Reason.SERVER)]


async def test_a_call_after_the_deadline_is_not_sent(client: Client, upstream: Upstream) -> None:
    """A poll that ran out of time asks nothing more."""
    client.begin(-1)
    error = await failed(client)
    assert error.reason is Reason.TIMEOUT
    assert error.message == "the deadline passed before the call's turn"
    assert upstream.requests == []


async def test_calls_share_the_slots(client_of: MakeClient, upstream: Upstream) -> None:
    """No more calls run at once than allowed, and all are answered."""

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        await upstream.reply()(writer)

    upstream.script(slowly)
    client = client_of(upstream.url, concurrency=3)
    await asyncio.gather(*(client.get("template", f"/{number}") for number in range(12)))
    assert upstream.most_at_once == 3
    assert len(upstream.requests) == 12


async def test_a_call_does_not_wait_for_a_slot_past_the_deadline(
    client_of: MakeClient, upstream: Upstream
) -> None:
    """Calls that queue behind a slow one end with the poll."""
    upstream.script(upstream.hang)
    client = client_of(upstream.url, concurrency=1)
    client.begin(0.3)
    results = await asyncio.gather(
        *(client.get("template", f"/{number}") for number in range(3)), return_exceptions=True
    )
    reasons = [result.reason for result in results if isinstance(result, UpstreamError)]
    assert reasons == [Reason.TIMEOUT] * 3
    assert len(upstream.requests) == 1


async def test_a_new_poll_has_a_new_deadline(client: Client, upstream: Upstream) -> None:
    """`begin` gives calls their time back."""
    client.begin(-1)
    client.begin(30)
    assert await client.get("summary", "/usage") == {}


async def test_a_redirect_on_the_same_host_is_followed(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """The key goes along to another path, and both requests are counted."""
    upstream.script(
        upstream.reply(308, headers={"Location": "/v2/usage"}), upstream.reply(200, [1])
    )
    assert await client.get("summary", "/usage") == [1]
    assert upstream.requests[1].target == "/v2/usage"
    assert upstream.requests[1].headers["x-api-key"] == "made-up-key"
    assert [code for _, code in recorder.requests] == ["308", "200"]


async def test_a_redirect_to_another_host_gets_no_request(
    client: Client, upstream: Upstream, new_upstream: Callable[[], Upstream]
) -> None:
    """The key is sent to nobody but the configured host."""
    other = new_upstream()
    await other.start()
    upstream.script(upstream.reply(302, headers={"Location": f"{other.url}/usage"}))
    error = await failed(client)
    assert error.reason is Reason.SCHEMA
    assert "a redirect to another host" in error.message
    assert other.requests == []
    await other.stop()


async def test_redirects_in_a_circle_end(client: Client, upstream: Upstream) -> None:
    """Nobody is sent around for ever."""
    upstream.script(upstream.reply(302, headers={"Location": "/usage"}))
    error = await failed(client)
    assert error.reason is Reason.SCHEMA
    assert error.message == "HTTP 302: more than 3 redirects"
    assert len(upstream.requests) == 4


@pytest.fixture
def secrets() -> list[str]:
    """What the account's secret is at each reading; the last one stays."""
    return ["old"]


@pytest.fixture
def read(secrets: list[str]) -> Callable[[], Secret]:
    """Reads `secrets`, where an empty text cannot be read."""

    def read_next() -> Secret:
        text = secrets[0] if len(secrets) == 1 else secrets.pop(0)
        if not text:
            raise ValueError("cannot read /run/secrets/key: No such file or directory")
        return Secret(text)

    return read_next


async def test_a_rotated_secret_is_picked_up_by_itself(
    client_of: MakeClient,
    upstream: Upstream,
    secrets: list[str],
    read: Callable[[], Secret],
) -> None:
    """After a 401 the secret is read anew, and the call repeated with it."""
    secrets.append("new")
    upstream.script(upstream.reply(401), upstream.reply(200, [1]))
    client = client_of(upstream.url, credentials=read)
    assert await client.get("summary", "/usage") == [1]
    assert [request.headers["x-api-key"] for request in upstream.requests] == ["old", "new"]


async def test_a_rejected_secret_is_replaced_once_a_call(
    client_of: MakeClient,
    upstream: Upstream,
    secrets: list[str],
    read: Callable[[], Secret],
) -> None:
    """A new secret that is rejected as well ends the call."""
    secrets.extend(["new", "newer"])
    upstream.script(upstream.reply(401))
    error = await failed(client_of(upstream.url, credentials=read))
    assert error.reason is Reason.AUTH
    assert len(upstream.requests) == 2


async def test_a_secret_that_vanished_is_told_with_the_rejection(
    client_of: MakeClient,
    upstream: Upstream,
    secrets: list[str],
    read: Callable[[], Secret],
) -> None:
    """The message holds both what the vendor said and what is wrong with the file."""
    secrets.append("")
    upstream.script(upstream.reply(401))
    error = await failed(client_of(upstream.url, credentials=read))
    assert (error.reason, error.status) == (Reason.AUTH, 401)
    assert str(error) == (
        "HTTP 401 Unauthorized; reading the secret anew: "
        "cannot read /run/secrets/key: No such file or directory"
    )


async def test_a_secret_that_cannot_be_read_sends_nothing(
    client_of: MakeClient,
    upstream: Upstream,
    recorder: Recorder,
    secrets: list[str],
    read: Callable[[], Secret],
) -> None:
    """Without a key there is no call, but a counted error."""
    secrets[:] = [""]
    error = await failed(client_of(upstream.url, credentials=read))
    assert error.reason is Reason.AUTH
    assert error.message == "cannot read /run/secrets/key: No such file or directory"
    assert upstream.requests == []
    assert recorder.errors == [("summary", Reason.AUTH)]


async def test_a_reload_reads_the_secret_anew(
    client_of: MakeClient,
    upstream: Upstream,
    secrets: list[str],
    read: Callable[[], Secret],
) -> None:
    """From a reload on, calls carry the new secret."""
    secrets.append("new")
    client = client_of(upstream.url, credentials=read)
    await client.get("summary", "/usage")
    client.use(client.read_secret())
    await client.get("summary", "/usage")
    assert [request.headers["x-api-key"] for request in upstream.requests] == ["old", "new"]


@pytest.mark.parametrize("form", ["plain", "base64", "percent"])
async def test_the_secret_appears_nowhere(
    form: str, client_of: MakeClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A vendor that echoes the key in its errors gives it away to no log and no page."""
    caplog.set_level(logging.DEBUG, logger="sandbox_exporter")
    echo = {
        "plain": "made-up-key",
        "base64": base64.b64encode(b"user:made-up-key").decode(),
        "percent": "%6d%61%64%65-up%2Dkey",
    }[form]
    explained = Failure(Reason.SERVER, f"no such key: {echo}")
    client = client_of(upstream.url, explain=lambda status, body: explained)
    upstream.script(upstream.reply(500, {}, {"X-Request-ID": echo}))
    error = await failed(client)
    assert error.message.startswith("HTTP 500 Internal Server Error: no such key: ")
    assert "***" in error.message
    shown = [
        repr(vars(record)) for record in caplog.records if record.name == "sandbox_exporter.client"
    ]
    assert len(shown) == 2
    texts = "".join(shown) + repr(vars(error))
    assert not any(echo[at : at + 7] in texts for at in range(len(echo) - 6) if form != "base64")
    assert echo[7:20] not in texts


async def test_the_password_of_a_proxy_appears_nowhere(
    client_of: MakeClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that echoes what it was sent is masked as the vendor is."""
    proxy = upstream.url.replace("http://", "http://user:s3cret%2Fpassword@")
    monkeypatch.setenv("https_proxy", proxy)
    echo = base64.b64encode(b"user:s3cret/password").decode()
    upstream.script(upstream.raw(f"HTTP/1.1 407 {echo} refused\r\n\r\n".encode()))
    error = await failed(client_of("https://vendor.invalid"))
    assert upstream.requests[0].headers["proxy-authorization"] == f"Basic {echo}"
    assert error.reason is Reason.CONNECT
    assert "***" in error.message
    assert echo[8:] not in error.message


async def test_a_retry_is_logged_with_what_support_asks_for(
    client: Client, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A line for each retry names account, endpoint, reason, status and request id."""
    caplog.set_level(logging.DEBUG, logger="sandbox_exporter.client")
    upstream.script(upstream.reply(503, {}, {"X-Request-ID": "theirs"}), upstream.reply())
    await client.get("summary", "/usage")
    (record,) = [r for r in caplog.records if r.name == "sandbox_exporter.client"]
    assert record.levelno == logging.DEBUG, "a vendor that fails for days would flood the log"
    assert record.getMessage() == "HTTP 503 Service Unavailable; trying again in 0.5 s"
    fields: dict[str, Any] = vars(record)
    assert (fields["account"], fields["endpoint"]) == ("prod", "summary")
    assert (fields["reason"], fields["status"]) == ("server", 503)
    assert fields["request_id"] == "theirs"


async def test_the_proxy_of_the_environment_is_used(
    client_of: MakeClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls go through the proxy, with or without a scheme in the variable."""
    monkeypatch.setenv("http_proxy", upstream.url.removeprefix("http://"))
    await client_of("http://vendor.invalid/api").get("summary", "/usage")
    assert upstream.requests[0].target == "http://vendor.invalid/api/usage"


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
async def test_a_loopback_host_is_never_called_through_a_proxy(
    variable: str,
    client_of: MakeClient,
    upstream: Upstream,
    new_upstream: Callable[[], Upstream],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proxy would be another machine, and would see the key."""
    proxy = new_upstream()
    await proxy.start()
    monkeypatch.setenv(variable, proxy.url)
    port = upstream.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        await client_of(f"http://{host}:{port}").get("summary", "/usage")
    assert len(upstream.requests) == 3
    assert proxy.requests == []
    await proxy.stop()


async def test_hosts_without_a_proxy_are_called_directly(
    client_of: MakeClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NO_PROXY` wins."""
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert await client_of(upstream.url).get("summary", "/usage") == {}


async def test_an_own_authority_is_trusted_by_its_file(
    client_of: MakeClient, new_upstream: Callable[[], Upstream], authority: Authority
) -> None:
    """`ca_file` lets a self-hosted vendor with its own CA be verified."""
    server = new_upstream()
    await server.start(authority.server)
    client = client_of(server.url, ca_file=str(authority.ca_file))
    assert await client.get("summary", "/usage") == {}
    await server.stop()


async def test_an_unknown_authority_is_refused(
    client_of: MakeClient, new_upstream: Callable[[], Upstream], authority: Authority
) -> None:
    """Verification is never off: the key is not sent, and the message says why."""
    server = new_upstream()
    await server.start(authority.server)
    error = await failed(client_of(server.url))
    assert error.reason is Reason.CONNECT
    assert "certificate verify failed" in error.message
    assert server.requests == []
    await server.stop()


async def test_a_certificate_for_another_name_is_refused(
    client_of: MakeClient, new_upstream: Callable[[], Upstream], authority: Authority
) -> None:
    """A trusted authority does not make up for the wrong host."""
    server = new_upstream()
    await server.start(authority.server)
    url = server.url.replace("127.0.0.1", "localhost")
    error = await failed(client_of(url, ca_file=str(authority.ca_file)))
    assert error.reason is Reason.CONNECT
    assert server.requests == []
    await server.stop()
