"""One account's way to its vendor: every call bounded, retried, rate-limited and counted."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import httpx

from sandbox_exporter import tracing
from sandbox_exporter.client.answer import failure, presentable, redirect, unexpected
from sandbox_exporter.client.credentials import Credentials
from sandbox_exporter.client.exchange import Answer, Exchange, Observer
from sandbox_exporter.client.gate import Gate, NotSentError
from sandbox_exporter.client.limiter import Limiter
from sandbox_exporter.client.retry import ATTEMPTS, LONGEST_PAUSE, Pause, backoff
from sandbox_exporter.client.status import Failure, is_retryable
from sandbox_exporter.errors import Reason, UpstreamError
from sandbox_exporter.secret import Secret
from sandbox_exporter.supervisor import heed_cancellation

MAX_REDIRECTS = 3
_GRACE = 1.0
"""Seconds after its deadline at which a call ends whatever it waits for.

Each wait of a call has its own bound; this one is for a timer that does not fire.
"""

log = logging.getLogger("sandbox_exporter.client")


class _Call(NamedTuple):
    endpoint: str
    url: httpx.URL
    deadline: float
    """A time of the client's clock."""


class Client:
    """Reads JSON from one vendor with one account's key.

    `credentials` reads the secret and may raise `ValueError`; `headers` turns it into request
    headers; `explain` says what an error body means, given the status and the decoded body, or
    None to go by the status. At most `concurrency` calls run at once. A pause that the vendor asks
    for is kept for `longest_pause` seconds at most. `clock` gives monotonic seconds. Raises
    `ValueError` for a `base_url`, `ca_file` or proxy variable that cannot be used.
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
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._account = account
        self._base_url = base_url.rstrip("/")
        self._credentials = Credentials(credentials)
        self._headers = headers
        self._explain = explain
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._deadline = math.inf
        self._gate = Gate(
            limiter, concurrency, longest_pause, clock=clock, sleep=sleep, jitter=jitter
        )
        try:
            url = httpx.URL(self._base_url)
        except httpx.InvalidURL as error:
            raise ValueError(f"not a URL: {error}") from None
        self._exchange = Exchange(url, ca_file=ca_file, connections=concurrency, observer=observer)

    def begin(self, seconds: float) -> None:
        """Let every call from now on end within `seconds`."""
        self._deadline = self._clock() + seconds

    def read_secret(self) -> Secret:
        """The secret as it is kept now, for `use`; raises `ValueError` when it cannot be read."""
        return self._credentials.read()

    def use(self, secret: Secret) -> None:
        """Send this secret from the next attempt on."""
        self._credentials.use(secret)

    def mask(self, text: str) -> str:
        """The text with `***` for each echo of the account's secret or the proxy's password."""
        for secret in (*self._credentials.known(), self._exchange.proxy_password):
            text = secret.mask(text)
        return text

    async def aclose(self) -> None:
        """Close the connections, of which none may be in use; a later call opens new ones."""
        await self._exchange.aclose()

    async def get(
        self, endpoint: str, path: str, params: Mapping[str, str | int] | None = None
    ) -> object:
        """The decoded JSON at `path`, which is below the base URL and already percent-encoded.

        `endpoint` is what the call is counted under. Raises `UpstreamError`: that of the last
        attempt when there were several.
        """
        call = _Call(endpoint, self._url(path, params), self._deadline)
        try:
            left = self._left(call)
            async with asyncio.timeout(None if left == math.inf else left + _GRACE):
                return await self._try(call)
        except TimeoutError:
            self._observer.error(endpoint, Reason.TIMEOUT)
            raise UpstreamError(Reason.TIMEOUT, "the call did not end by its deadline") from None

    async def _try(self, call: _Call) -> object:
        """What the first good attempt brings."""
        failed: UpstreamError | None = None
        retries = 0
        may_reread = True
        while True:
            try:
                secret = self._secret()
                return await self._follow(call, secret)
            except NotSentError as error:
                if failed is not None:
                    raise failed from None
                self._observer.error(call.endpoint, error.reason)
                raise
            except UpstreamError as error:
                heed_cancellation()
                pause = self._pause(call, error)
                failed = presentable(error, self.mask, f"; {pause}" if pause else "")
            self._observer.error(call.endpoint, failed.reason)
            if failed.status == 401 and may_reread and self._replaced(secret, failed):
                may_reread = False
                self._log_retry(call.endpoint, failed, "with the secret read anew")
                continue
            wait = self._wait(failed, retries, call, pause)
            retries += 1
            self._log_retry(call.endpoint, failed, f"in {wait:.1f} s")
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
            raise NotSentError(Reason.AUTH, str(error)) from None

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

    def _pause(self, call: _Call, failed: UpstreamError) -> Pause | None:
        """The pause that a failed attempt asks for, if it does."""
        if failed.retry_after is None or not is_retryable(failed.reason):
            return None
        return self._gate.pause(call.endpoint, failed.retry_after)

    def _wait(self, failed: UpstreamError, retries: int, call: _Call, pause: Pause | None) -> float:
        """Seconds before the next attempt; raises `failed` when there must be none."""
        wait = (pause.kept if pause else 0.0) + backoff(retries, self._jitter)
        if not is_retryable(failed.reason) or retries + 1 >= ATTEMPTS or wait >= self._left(call):
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
        async with self._gate.call(call.endpoint, call.deadline):
            with tracing.call(call.endpoint) as span:
                headers = self._headers(secret)
                answer = await self._exchange.get(call.endpoint, url, headers, self._left(call))
                failed = failure(answer, self._explain) if answer.status >= 400 else None
                span.answered(answer.status, failed and presentable(failed, self.mask))
            return answer

    def _left(self, call: _Call) -> float:
        """Seconds until the call's deadline."""
        return call.deadline - self._clock()

    def _log_retry(self, endpoint: str, failed: UpstreamError, when: str) -> None:
        log.debug(
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
