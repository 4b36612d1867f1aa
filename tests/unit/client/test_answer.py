from __future__ import annotations

import httpx
import pytest

from sandbox_exporter.client.answer import MAX_MESSAGE, failure, presentable, redirect
from sandbox_exporter.client.exchange import Answer
from sandbox_exporter.client.status import Failure
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.secret import Secret

URL = httpx.URL("https://api.example.com/v1/usage?period=today")


def answer(status: int, value: object = None, **headers: str) -> Answer:
    """An answer as it came from the wire."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, httpx.Headers(names), value, "id-1")


def unexplained(status: int, body: object) -> None:
    """A vendor that says nothing of its errors."""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/usage", "https://api.example.com/v2/usage"),
        ("usage/", "https://api.example.com/v1/usage/"),
        ("https://api.example.com:443/v2", "https://api.example.com/v2"),
    ],
)
def test_a_redirect_on_the_same_origin_is_followed(status: int, location: str, target: str) -> None:
    """Vendors may move a route on the host that was configured."""
    assert redirect(URL, answer(status, location=location)) == target


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.com/v1/usage",
        "//evil.example.com/v1/usage",
        "http://api.example.com/v1/usage",
        "https://api.example.com:8443/v1/usage",
        "https://api.example.com.evil.example/",
    ],
)
def test_a_redirect_to_another_origin_is_refused(location: str) -> None:
    """The key never goes to another host, port or scheme."""
    with pytest.raises(UpstreamError) as caught:
        redirect(URL, answer(307, location=location))
    assert caught.value.reason is Reason.SCHEMA
    assert str(caught.value) == "HTTP 307: a redirect to another host, which is not followed"
    assert (caught.value.status, caught.value.request_id) == (307, "id-1")


@pytest.mark.parametrize("headers", [{}, {"location": ""}, {"location": "http://[::"}])
def test_a_redirect_to_nowhere_is_refused(headers: dict[str, str]) -> None:
    """A redirect without a target that can be read is no answer."""
    with pytest.raises(UpstreamError, match="a redirect that names no URL"):
        redirect(URL, answer(302, **headers))


@pytest.mark.parametrize("status", [200, 304, 404])
def test_other_answers_are_no_redirects(status: int) -> None:
    """A `Location` header alone leads nowhere."""
    assert redirect(URL, answer(status, location="/v2")) is None


def test_a_failure_tells_the_status_and_the_wait() -> None:
    """Without more from the vendor, the status gives the reason and the message."""
    error = failure(answer(503, retry_after="7"), unexplained)
    assert (error.reason, str(error)) == (Reason.SERVER, "HTTP 503 Service Unavailable")
    assert (error.status, error.request_id, error.retry_after) == (503, "id-1", 7)


def test_an_unknown_status_has_no_phrase() -> None:
    """A status that no standard names is shown as a number."""
    assert str(failure(answer(599), unexplained)) == "HTTP 599"


def test_the_vendors_own_words_come_first() -> None:
    """What the error body says replaces the guess from the status."""

    def explain(status: int, body: object) -> Failure:
        assert (status, body) == (429, {"detail": "no credit left"})
        return Failure(Reason.QUOTA, "no credit left")

    error = failure(answer(429, {"detail": "no credit left"}), explain)
    assert error.reason is Reason.QUOTA
    assert str(error) == "HTTP 429 Too Many Requests: no credit left"


def test_messages_are_short_plain_and_without_the_secret() -> None:
    """Whatever a vendor echoes, a log line stays one line and shows no key."""
    secret = Secret("sk-123")
    error = presentable(
        UpstreamError(
            Reason.AUTH,
            "bad key sk-123\n\x1b[31m" + "x" * 1000,
            status=401,
            request_id="sk-123",
            retry_after=1.0,
        ),
        secret.mask,
    )
    assert str(error) == error.message
    assert error.message.startswith("bad key ***  [31mxxx")
    assert len(error.message) == MAX_MESSAGE
    assert (error.request_id, error.status, error.retry_after) == ("***", 401, 1.0)


def test_a_cut_leaves_no_half_of_the_secret() -> None:
    """A secret across the end of a message is hidden before the message is cut."""
    text = "x" * (MAX_MESSAGE - 5) + "sk-0123456789"
    error = presentable(UpstreamError(Reason.AUTH, text), Secret("sk-0123456789").mask)
    assert error.message == "x" * (MAX_MESSAGE - 5) + "***"


def test_a_text_of_any_length_is_looked_at_in_no_time() -> None:
    """A vendor that sends megabytes of escapes as its error's text holds up nothing."""
    text = "%73%6B" * 10**6
    error = presentable(UpstreamError(Reason.SERVER, text), Secret("sk-0123456789").mask)
    assert error.message == "a text of 6000000 characters"
