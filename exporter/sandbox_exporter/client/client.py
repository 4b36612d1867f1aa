"""One account's way to its vendor: every call bounded, retried, rate-limited and counted."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import httpx

from sandbox_exporter import tracing
from sandbox_exporter.client.answer import failure, presentable, redirect, unexpected
from sandbox_exporter.client.credentials import Credentials
from sandbox_exporter.client.exchange import Answer, Exchange, Observer
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.retry import ATTEMPTS, backoff
from sandbox_exporter.client.status import Failure, is_retryable
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.secret import Secret

MAX_REDIRECTS = 3

log = logging.getLogger("sandbox_exporter.client")


class _NotSentError(UpstreamError):
    """A call that was not sent: there is no secret, or its turn comes after the deadline."""


class _Call(NamedTuple):
    endpoint: str
    url: httpx.URL
    deadline: float


class Client:
    """Reads JSON from one vendor with one account's key.

    `credentials` reads the secret and may raise `ValueError`; `headers` turns it into request
    headers; `explain` says what an error body means, given the status and the decoded body, or
    None to go by the status. At most `concurrency` calls run at once. Raises `ValueError` for a
    `base_url`, `ca_file` or proxy variable that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - the account's settings and its collaborators, all named
        self,
        *,
        account: str,
        base_url: str,
        credentials: Callable[[], Secret],
        headers: Callable[[Secret], Mapping[str, str]],
        explain: Callable[[int, object], Failure | None],
        limiter: Limiter,
        observer: Observer,
        ca_file: str = "",
        concurrency: int = 16,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._account = account
        self._base_url = base_url.rstrip("/")
        self._credentials = Credentials(credentials)
        self._headers = headers
        self._explain = explain
        self._limiter = limiter
        self._observer = observer
        self._sleep = sleep
        self._jitter = jitter
        self._slots = asyncio.Semaphore(concurrency)
        self._deadline = math.inf
        self._throttled_until: dict[str, float] = {}
        """When each endpoint may be called again that the vendor throttled."""
        try:
            url = httpx.URL(self._base_url)
        except httpx.InvalidURL as error:
            raise ValueError(f"not a URL: {error}") from None
        self._exchange = Exchange(url, ca_file=ca_file, connections=concurrency, observer=observer)

    def begin(self, deadline: float) -> None:
        """Let every call from now on end by `deadline`, an event-loop time."""
        self._deadline = deadline

    def refresh_credentials(self) -> None:
        """Read the secret anew; raises `ValueError`, and keeps the old one, when it cannot."""
        self._credentials.refresh()

    async def aclose(self) -> None:
        """Close the connections; no call may follow."""
        await self._exchange.aclose()

    async def get(
        self, endpoint: str, path: str, params: Mapping[str, str | int] | None = None
    ) -> object:
        """The decoded JSON at `path`, which is below the base URL and already percent-encoded.

        `endpoint` is what the call is counted under. Raises `UpstreamError`: that of the last
        attempt when there were several.
        """
        call = _Call(endpoint, self._url(path, params), self._deadline)
        failed: UpstreamError | None = None
        retries = 0
        may_reread = True
        while True:
            try:
                secret = self._secret()
                return await self._follow(call, secret)
            except _NotSentError as error:
                if failed is not None:
                    raise failed from None
                self._observer.error(endpoint, error.reason)
                raise
            except UpstreamError as error:
                failed = presentable(error, secret)
            self._observer.error(endpoint, failed.reason)
            if failed.status == 401 and may_reread and self._replaced(secret, failed):
                may_reread = False
                self._log_retry(endpoint, failed, "with the secret read anew")
                continue
            wait = self._wait(failed, retries, call)
            retries += 1
            self._log_retry(endpoint, failed, f"in {wait:.1f} s")
            await self._sleep(wait)

    def _url(self, path: str, params: Mapping[str, str | int] | None) -> httpx.URL:
        query = f"?{urlencode(params)}" if params else ""
        try:
            return httpx.URL(f"{self._base_url}{path}{query}")
        except httpx.InvalidURL as error:
            raise UpstreamError(Reason.INVALID_REQUEST, f"not a URL: {error}") from None

    def _secret(self) -> Secret:
        try:
            return self._credentials.current()
        except ValueError as error:
            raise _NotSentError(Reason.AUTH, str(error)) from None

    def _replaced(self, used: Secret, rejected: UpstreamError) -> bool:
        try:
            return self._credentials.replaced(used)
        except ValueError as error:
            raise UpstreamError(
                Reason.AUTH,
                f"{rejected.message}; reading the secret anew: {error}",
                status=rejected.status,
                request_id=rejected.request_id,
            ) from None

    def _wait(self, failed: UpstreamError, retries: int, call: _Call) -> float:
        """Seconds before the next attempt; raises `failed` when there must be none."""
        now = asyncio.get_running_loop().time()
        asked = failed.retry_after or 0.0
        if failed.reason is Reason.RATE_LIMITED:
            until = self._throttled_until.get(call.endpoint, now)
            self._throttled_until[call.endpoint] = max(until, now + asked)
        wait = asked + backoff(retries, self._jitter)
        if (
            not is_retryable(failed.reason)
            or retries + 1 >= ATTEMPTS
            or now + wait >= call.deadline
        ):
            raise failed
        return wait

    async def _follow(self, call: _Call, secret: Secret) -> object:
        """One attempt, with the redirects that stay on the same origin."""
        url = call.url
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._send(call, url, secret)
            if 200 <= answer.status < 300:
                return answer.value
            target = redirect(url, answer)
            if target is None:
                raise failure(answer, self._explain)
            url = target
        raise unexpected(answer, f"more than {MAX_REDIRECTS} redirects")

    async def _send(self, call: _Call, url: httpx.URL, secret: Secret) -> Answer:
        try:
            async with asyncio.timeout_at(None if call.deadline == math.inf else call.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise _too_late() from None
        try:
            await self._permit(call.endpoint, call.deadline)
            with tracing.call(call.endpoint) as span:
                headers = self._headers(secret)
                answer = await self._exchange.get(call.endpoint, url, headers, call.deadline)
                failed = failure(answer, self._explain) if answer.status >= 400 else None
                span.answered(answer.status, failed and presentable(failed, secret))
            return answer
        finally:
            self._slots.release()

    async def _permit(self, endpoint: str, deadline: float) -> None:
        """Wait until both the vendor and the account's own limit allow a call."""
        now = asyncio.get_running_loop().time()
        if now >= deadline:
            raise _too_late()
        until = self._throttled_until.get(endpoint, now)
        wait = until - now
        if wait > 0:
            if until >= deadline:
                raise _NotSentError(
                    Reason.RATE_LIMITED,
                    f"the vendor asked for no calls for another {wait:.0f} s",
                    retry_after=wait,
                )
            # Jitter, or all calls that were held back would come at the same moment.
            await self._sleep(wait + backoff(0, self._jitter))
        if not await self._limiter.take(deadline):
            raise _NotSentError(
                Reason.RATE_LIMITED,
                "own limit max_requests_per_minute leaves no call before the deadline",
            )

    def _log_retry(self, endpoint: str, failed: UpstreamError, when: str) -> None:
        log.info(
            "%s; trying again %s",
            failed.message,
            when,
            extra={
                "account": self._account,
                "endpoint": endpoint,
                "reason": str(failed.reason),
                "status": failed.status,
                "request_id": failed.request_id,
            },
        )


def _too_late() -> _NotSentError:
    return _NotSentError(Reason.TIMEOUT, "the deadline passed before the call's turn")
