"""An answer that is no success: where it redirects to, or what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from sandbox_exporter.client.exchange import Answer
from sandbox_exporter.client.retry import retry_after
from sandbox_exporter.client.status import Failure, classify
from sandbox_exporter.errors import Reason, UpstreamError

MAX_MESSAGE = 240
"""Characters of a message, the vendor's words in it included."""
_MAX_MASKED = 8192
"""Characters of a text that is looked through for secrets; a longer one is not shown at all."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirect(url: httpx.URL, answer: Answer) -> httpx.URL | None:
    """Where the answer to a request for `url` redirects to, None when it does not.

    Raises `UpstreamError` rather than take the key to another origin.
    """
    if answer.status not in _REDIRECTS:
        return None
    location = answer.headers.get("Location")
    try:
        target = url.join(location) if location else None
        same = target is not None and _origin(target) == _origin(url)
    except (httpx.InvalidURL, ValueError):  # the latter from the libraries below httpx
        target = None
    if target is None:
        raise unexpected(answer, "a redirect that names no URL")
    if not same:
        raise unexpected(answer, "a redirect to another host, which is not followed")
    return target


def unexpected(answer: Answer, what: str) -> UpstreamError:
    """An error for an answer in which JSON was expected."""
    return UpstreamError(
        Reason.SCHEMA,
        f"HTTP {answer.status}: {what}",
        status=answer.status,
        request_id=answer.request_id,
    )


def failure(answer: Answer, explain: Callable[[int, object], Failure | None]) -> UpstreamError:
    """An error for a failed status, with the vendor's reason and words where `explain` has any."""
    reason, detail = explain(answer.status, answer.value) or Failure(classify(answer.status), "")
    phrase = httpx.codes.get_reason_phrase(answer.status)
    return UpstreamError(
        reason,
        f"HTTP {answer.status} {phrase}".rstrip() + (f": {detail}" if detail else ""),
        status=answer.status,
        request_id=answer.request_id,
        retry_after=retry_after(answer.headers.get("Retry-After", ""), time.time()),
    )


def presentable(error: UpstreamError, mask: Callable[[str], str], note: str = "") -> UpstreamError:
    """The error with texts that are short, on one line, and masked; `note` ends its message."""
    return UpstreamError(
        error.reason,
        _presentable(error.message, mask, MAX_MESSAGE - len(note)) + note,
        status=error.status,
        request_id=_presentable(error.request_id, mask, MAX_MESSAGE),
        retry_after=error.retry_after,
    )


def _presentable(text: str, mask: Callable[[str], str], most: int) -> str:
    if len(text) > _MAX_MASKED:
        return f"a text of {len(text)} characters"
    # Cut last: a cut through the secret would leave half of it.
    return "".join(char if char.isprintable() else " " for char in mask(text)[:most])


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
