from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sandbox_exporter.client.client import Client
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.status import Failure
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.client.conftest import Authority, MakeClient, Recorder, Upstream

pytestmark = pytest.mark.anyio


async def failed(client: Client) -> UpstreamError:
    """Makes a call that must fail."""
    with pytest.raises(UpstreamError) as caught:
        await client.get("summary", "/usage")
    return caught.value


def in_seconds(seconds: float) -> float:
    """The event loop's time then."""
    return asyncio.get_running_loop().time() + seconds


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
    client.begin(in_seconds(30))
    error = await failed(client)
    assert (error.reason, error.retry_after) == (Reason.SERVER, 60)
    assert recorder.sleeps == []


async def test_a_throttled_endpoint_is_asked_no_more_until_it_may(
    client: Client, upstream: Upstream, recorder: Recorder
) -> None:
    """After a long `Retry-After`, calls fail unsent, and are counted as errors."""
    upstream.script(upstream.reply(429, headers={"Retry-After": "86400"}))
    client.begin(in_seconds(30))
    assert (await failed(client)).retry_after == 900
    error = await failed(client)
    assert error.reason is Reason.RATE_LIMITED
    assert error.message == "the vendor asked for no calls for another 900 s"
    assert error.retry_after == pytest.approx(900, abs=5)
    assert len(upstream.requests) == len(recorder.requests) == 1
    assert recorder.errors == [("summary", Reason.RATE_LIMITED)] * 2


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
    client.begin(in_seconds(30))
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
    client.begin(in_seconds(30))
    upstream.script(upstream.reply(500))
    assert (await failed(client)).reason is Reason.SERVER
    assert recorder.errors == [("summary", Reason.SERVER)]


async def test_a_call_after_the_deadline_is_not_sent(client: Client, upstream: Upstream) -> None:
    """A poll that ran out of time asks nothing more."""
    client.begin(in_seconds(-1))
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
    client.begin(in_seconds(0.3))
    results = await asyncio.gather(
        *(client.get("template", f"/{number}") for number in range(3)), return_exceptions=True
    )
    reasons = [result.reason for result in results if isinstance(result, UpstreamError)]
    assert reasons == [Reason.TIMEOUT] * 3
    assert len(upstream.requests) == 1


async def test_a_new_poll_has_a_new_deadline(client: Client, upstream: Upstream) -> None:
    """`begin` gives calls their time back."""
    client.begin(in_seconds(-1))
    client.begin(in_seconds(30))
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
    client.refresh_credentials()
    await client.get("summary", "/usage")
    assert [request.headers["x-api-key"] for request in upstream.requests] == ["old", "new"]


async def test_the_secret_appears_nowhere(
    client_of: MakeClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A vendor that echoes the key in its errors gives it away to no log and no page."""
    caplog.set_level(logging.DEBUG, logger="sandbox_exporter")
    explained = Failure(Reason.SERVER, "no such key: made-up-key")
    client = client_of(upstream.url, explain=lambda status, body: explained)
    upstream.script(upstream.reply(500, {}, {"X-Request-ID": "made-up-key"}))
    error = await failed(client)
    assert error.message == "HTTP 500 Internal Server Error: no such key: ***"
    shown = [
        repr(vars(record)) for record in caplog.records if record.name == "sandbox_exporter.client"
    ]
    assert len(shown) == 2
    assert "made-up-key" not in "".join(shown) + repr(vars(error))


async def test_a_retry_is_logged_with_what_support_asks_for(
    client: Client, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A line for each retry names account, endpoint, reason, status and request id."""
    caplog.set_level(logging.INFO, logger="sandbox_exporter.client")
    upstream.script(upstream.reply(503, {}, {"X-Request-ID": "theirs"}), upstream.reply())
    await client.get("summary", "/usage")
    (record,) = caplog.records
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
