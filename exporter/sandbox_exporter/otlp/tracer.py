"""Spans: one for each poll, and below it one for each request to the vendor."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from sandbox_exporter import __version__, tracing
from sandbox_exporter.config.model import Account
from sandbox_exporter.errors import UpstreamError
from sandbox_exporter.otlp.outage import Outage, Words

_Start = Callable[[str, SpanKind, Mapping[str, str]], AbstractContextManager[Span]]


class Tracing:
    """Makes spans and sends them in batches, on a thread and with a queue of the SDK's own.

    Attributes are names, status codes and reasons: no URL, header, body or message.
    """

    def __init__(
        self, exporter: SpanExporter, resource: Resource, outage: Outage, words: Words
    ) -> None:
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        reporting = _Reporting(exporter, outage, words)
        self._provider.add_span_processor(BatchSpanProcessor(reporting))
        self._tracer = self._provider.get_tracer("sandbox_exporter", __version__)

    @contextmanager
    def poll(self, account: Account) -> Iterator[None]:
        """A span around a poll of `account`; requests within it become its children."""
        names = {"provider": account.provider, "account": account.name}
        with self._span("poll", SpanKind.INTERNAL, names) as span:
            try:
                with tracing.use(_PollTracer(self._span, span)):
                    yield
            except Exception as fault:
                span.set_status(Status(StatusCode.ERROR, type(fault).__name__))
                raise

    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, str]
    ) -> AbstractContextManager[Span]:
        return self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            record_exception=False,  # its text is for the log, where it is made presentable
            set_status_on_exception=False,
        )

    def close(self) -> None:
        """Sends what is left and ends; may block for as long as the collector lets it."""
        self._provider.shutdown()


class _PollTracer:
    """The `tracing.Tracer` of one poll."""

    def __init__(self, start: _Start, poll: Span) -> None:
        self._start = start
        self._poll = poll

    @contextmanager
    def call(self, endpoint: str) -> Iterator[tracing.Span]:
        attributes = {"http.request.method": "GET", "endpoint": endpoint}
        with self._start(f"GET {endpoint}", SpanKind.CLIENT, attributes) as span:
            try:
                yield _CallSpan(span)
            except UpstreamError as error:
                _fail(span, error)
                raise

    def failed(self, endpoint: str, error: UpstreamError) -> None:
        self._poll.add_event(
            "endpoint failed", {"endpoint": endpoint, "error.type": str(error.reason)}
        )
        self._poll.set_status(Status(StatusCode.ERROR, f"{endpoint}: {error.reason}"))


class _CallSpan:
    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, status: int, error: UpstreamError | None) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if error is not None:
            self._span.set_attribute("request_id", error.request_id)
            _fail(self._span, error)


def _fail(span: Span, error: UpstreamError) -> None:
    span.set_attribute("error.type", str(error.reason))
    span.set_status(Status(StatusCode.ERROR, str(error.reason)))


class _Reporting(SpanExporter):
    """Tells an `Outage` how each export ended."""

    def __init__(self, exporter: SpanExporter, outage: Outage, words: Words) -> None:
        self._exporter = exporter
        self._outage = outage
        self._words = words

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._words.take()
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._outage.succeeded()
        else:
            self._outage.failed(self._words.take())
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class TraceIds(logging.Filter):
    """Adds the ids of the current span to log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line pass."""
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            record.trace_id = trace.format_trace_id(context.trace_id)
            record.span_id = trace.format_span_id(context.span_id)
        return True
