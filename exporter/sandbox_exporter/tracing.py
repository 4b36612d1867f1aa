"""Where spans are made, if polls are traced. A leaf: knows nothing of OpenTelemetry.

Whoever traces a poll puts a `Tracer` into the poll's context; what the poll calls finds it there.
Without one, all of this does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol

from sandbox_exporter.errors import UpstreamError


class Span(Protocol):
    """One upstream call while it lasts."""

    def answered(self, status: int, error: UpstreamError | None) -> None:
        """An answer came; `error`, whose texts must be fit to be shown, if it is a failure."""


class Tracer(Protocol):
    """Makes spans within one poll."""

    def call(self, endpoint: str) -> AbstractContextManager[Span]:
        """A span around one request; a raised `UpstreamError` ends it as failed."""

    def failed(self, endpoint: str, error: UpstreamError) -> None:
        """Notes in the poll's span that an endpoint failed."""


class _NoSpan:
    def answered(self, status: int, error: UpstreamError | None) -> None:
        """Does nothing."""


_current: ContextVar[Tracer | None] = ContextVar("tracer", default=None)
_NO_SPAN = nullcontext(_NoSpan())


@contextmanager
def use(tracer: Tracer) -> Iterator[None]:
    """Traces what runs in this context, tasks that it starts included."""
    token = _current.set(tracer)
    try:
        yield
    finally:
        _current.reset(token)


def call(endpoint: str) -> AbstractContextManager[Span]:
    """A span around one request to `endpoint`."""
    tracer = _current.get()
    return _NO_SPAN if tracer is None else tracer.call(endpoint)


def failed(endpoint: str, error: UpstreamError) -> None:
    """Notes in the poll's span that an endpoint failed."""
    tracer = _current.get()
    if tracer is not None:
        tracer.failed(endpoint, error)
