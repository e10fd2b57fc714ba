"""OpenTelemetry's traces of events, where OTEL_… asks for them; nothing of it is loaded otherwise.

One event is one trace: that of its extension `traceparent`, which every answer to it has too, or else one whose id
derives from the event's source and id. So publisher, worker, engine and relay find the same trace with nothing kept
between them, and no byte of an event or an answer changes.
"""

import atexit
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from hashlib import sha256
from threading import Event as Signal
from threading import Thread, local
from typing import TYPE_CHECKING, Any

import orjson

from schemas.event_types import LEDGER_SOURCE
from schemas.wire.read import Event
from services.engine.context import Observer
from services.engine.message import ReadMessage
from services.telemetry.metrics import codes_of, outcome_of, type_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Link, Span, SpanKind

log = logging.getLogger("tpp.traces")

TRACEPARENT = "traceparent"
CLOSE_SECONDS = 3.0
"""How long the end of a process waits for a collector that does not answer."""
_ASKED = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")

_MOST_LINKS = 128
"""As many links as a span has by default."""

_wanted: ContextVar[int | None] = ContextVar("wanted", default=None)
"""The trace of the span that is being started, if it has no parent."""

Header = tuple[str, bytes]


def is_asked(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces."""
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and environment.get("OTEL_TRACES_EXPORTER") != "none" and any(map(environment.get, _ASKED))


@cache
def tracing() -> "Traces | None":
    """The traces of this process, as OTEL_… says; None where nothing is asked for or the extra is not installed."""
    if not is_asked(os.environ):
        return None
    try:
        return Traces(_processor(os.environ.get("OTEL_TRACES_EXPORTER", "otlp")))
    except ImportError as error:
        log.warning("OTEL_… asks for traces, but %s is missing: install the extra `traces`", error.name)
    except ValueError as error:
        log.warning("there are no traces: %s", error)
    return None


def _processor(exporter: str) -> "SpanProcessor":
    """What sends spans away. Raises ValueError for an exporter that there is not, ImportError without the extra."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    if exporter == "console":
        return SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n"))
    if exporter != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER: {exporter!r} is not otlp, console or none")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())


def derived_trace(source: str, id: str) -> int:
    """The trace of an event that names none: 128 bits that derive from its source and id.

    >>> f"{derived_trace('//wms.example', 'evt-0001'):032x}"
    'c4b55bd7cd444cba8ad3018841cf3c0b'
    """
    return int.from_bytes(sha256(f"{source}\n{id}".encode()).digest()[:16]) or 1


def _key(read: ReadMessage) -> tuple[str, str, str | None]:
    """The source and the id under which an event is traced, and its `traceparent`; of a rejection, those of its cause.

    An answer to it names the same.
    """
    event = read.event
    if isinstance(event, Event):
        given = event.extensions.get(TRACEPARENT)
        return event.source, event.id, given if isinstance(given, str) else None
    if event.source is not None and event.id is not None:
        return event.source, event.id, None
    return LEDGER_SOURCE, read.rejection, None


class Traces:
    """Makes spans, which `processor` sends away."""

    def __init__(self, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        class _Ids(RandomIdGenerator):
            def generate_trace_id(self) -> int:
                return _wanted.get() or super().generate_trace_id()

        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        resource = Resource.create({} if named else {"service.name": "tpp-quota-ledger"})
        self._provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._ends = Signal()
        self._closing = Thread(target=self._close, name="traces", daemon=True)
        self._closing.start()
        atexit.register(self.close)
        self._tracer = self._provider.get_tracer("tpp")
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Sends what is left, as far as the collector takes it within CLOSE_SECONDS."""
        atexit.unregister(self.close)
        self._ends.set()
        self._closing.join(CLOSE_SECONDS)

    def _close(self) -> None:
        """Waits in a thread of its own, since none can be started once the process ends."""
        self._ends.wait()
        self._provider.shutdown()

    def start(
        self, name: str, kind: "SpanKind", key: tuple[str, str, str | None], hop: str | None, **attributes: str
    ) -> "Span":
        """A span of an event: below `hop`, a `traceparent` that came with it, else in the event's own trace.

        If the hop is of another trace, the span has a link to the event's.
        """
        from opentelemetry.context import Context
        from opentelemetry.trace import get_current_span

        source, id, given = key
        own = self._propagator.extract({TRACEPARENT: given} if given else {}, Context())
        above = self._propagator.extract({TRACEPARENT: hop}, Context()) if hop else Context()
        trace = get_current_span(own).get_span_context().trace_id or derived_trace(source, id)
        came = get_current_span(above).get_span_context()
        named = {"cloudevents.event_source": source, "cloudevents.event_id": id, **attributes}
        token = _wanted.set(trace)
        try:
            context, links = (above, _links(came.trace_id, trace)) if came.is_valid else (own, [])
            return self._tracer.start_span(name, context, kind, named, links)
        finally:
            _wanted.reset(token)

    def parent_of(self, span: "Span") -> str:
        """The `traceparent` that names a span."""
        from opentelemetry.trace import set_span_in_context

        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return carrier[TRACEPARENT]

    def sending(self, verb: str, topic: str, line: bytes | str) -> "tuple[Span | None, list[Header]]":
        """A span of an event or answer that is sent to a topic, and the headers that tell of it.

        Neither for a line that names no event.
        """
        from opentelemetry.trace import SpanKind

        key = _key_of_line(line)
        if key is None:
            return None, []
        span = self.start(f"{verb} {topic}", SpanKind.PRODUCER, key, None, **_place(topic))
        return span, [(TRACEPARENT, self.parent_of(span).encode())]

    @contextmanager
    def processing(self, batch: Sequence[ReadMessage]) -> Iterator[list[ReadMessage]]:
        """The messages of a batch, each with a span as what comes before it, which ends with the batch."""
        from opentelemetry.trace import SpanKind

        spans, traced = [], []
        for read in batch:
            topic = str(read.message.position.get("topic", ""))
            span = self.start(
                f"process {topic}", SpanKind.CONSUMER, _key(read), read.message.trace, **_place(topic)
            )  # fmt: skip
            spans.append(span)
            traced.append(replace(read, message=replace(read.message, trace=self.parent_of(span))))
        with _ending(spans):
            yield traced

    @contextmanager
    def serving(self, route: str, batch: Sequence[ReadMessage], hop: str | None) -> Iterator[Sequence[ReadMessage]]:
        """The messages of a request over HTTP, which has a span until its answer; `hop` is its own `traceparent`.

        The span is below `hop`, and what is decided of the messages below it. Without one it is in the trace of the
        event, if that is the only one; a request of several has a trace of its own with links to theirs.
        """
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, get_current_span

        above = self._propagator.extract({TRACEPARENT: hop}, Context()) if hop else Context()
        came = get_current_span(above).get_span_context().is_valid
        named = {"http.request.method": "POST", "http.route": route}
        if len(batch) == 1:
            span = self.start(f"POST {route}", SpanKind.SERVER, _key(batch[0]), hop if came else None, **named)
        else:
            links = [link for read in batch[:_MOST_LINKS] for link in _links(0, self._own(_key(read)))]
            span = self._tracer.start_span(f"POST {route}", above, SpanKind.SERVER, named, links)
        span.set_attribute("tpp.batch", len(batch))
        traced = batch
        if came or len(batch) == 1:
            parent = self.parent_of(span)
            traced = [replace(read, message=replace(read.message, trace=parent)) for read in batch]
        with _ending([span]):
            yield traced

    def _own(self, key: tuple[str, str, str | None]) -> int:
        """An event's own trace: that of its `traceparent`, else the one that derives from its source and id."""
        from opentelemetry.context import Context
        from opentelemetry.trace import get_current_span

        source, id, given = key
        own = self._propagator.extract({TRACEPARENT: given} if given else {}, Context())
        return get_current_span(own).get_span_context().trace_id or derived_trace(source, id)


def _links(came: int, own: int) -> "list[Link]":
    """A link to an event's own trace, from a span that is in another one."""
    from opentelemetry.trace import Link, SpanContext, TraceFlags

    if came == own:
        return []
    return [Link(SpanContext(own, own & 0xFFFF_FFFF_FFFF_FFFF or 1, is_remote=True, trace_flags=TraceFlags(1)))]


def _place(topic: str) -> dict[str, str]:
    return {"messaging.system": "kafka", "messaging.destination.name": topic}


def _key_of_line(line: bytes | str) -> tuple[str, str, str | None] | None:
    """The source, the id and the `traceparent` of an event; of an answer, those of the event that caused it."""
    try:
        event = orjson.loads(line)
        data = event.get("data")
        cause = data.get("causation") if isinstance(data, dict) and event["source"] == LEDGER_SOURCE else None
        found = cause or event
        given = event.get(TRACEPARENT)
        return str(found["source"]), str(found["id"]), given if isinstance(given, str) else None
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None


def ended(span: "Span | None", error: BaseException | None = None) -> None:
    """Ends a span, as failed if there is an error."""
    if span is None:
        return
    if error is not None:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
    span.end()


@contextmanager
def _ending(spans: "Sequence[Span]") -> Iterator[None]:
    """Ends spans at the end of the block, as failed if it raises."""
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        for span in spans:
            ended(span, failure)


class EngineTraces(Observer):
    """Makes a span of each event that an engine decides, from the beginning of its transaction to the commit."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._here = local()
        """`open`: the spans of the transaction of this thread, by the identity of the message."""

    @contextmanager
    def transaction(self, batch: Sequence[ReadMessage]) -> Iterator[None]:
        """Spans of the events of a batch; of one that the transaction leaves undecided, none."""
        from opentelemetry.trace import SpanKind

        spans: dict[int, Span] = {}
        self._here.open = spans
        for read in batch:
            kind, hop = type_of(read), read.message.trace
            span = self._traces.start(f"decide {kind}", SpanKind.INTERNAL, _key(read), hop, **{"tpp.type": kind})
            spans[id(read)] = span
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            for span in spans.values() if failure is not None else ():
                ended(span, failure)
            self._here.open = {}

    def decided(self, batch: Sequence[ReadMessage], answers: Sequence[Sequence[str]], since: int) -> None:
        """Ends the spans, with the outcome and the size of the batch; a chunk of work has none."""
        spans: dict[int, Span] = getattr(self._here, "open", {})
        for read, texts in zip(batch, answers, strict=True):
            if (span := spans.pop(id(read), None)) is not None:
                span.set_attributes({"tpp.outcome": outcome_of(texts[0], since), "tpp.batch": len(batch)})
                ended(span)


class EventLog(Observer):
    """Logs each event that an engine decided, with what tells it from others."""

    def __init__(self) -> None:
        self._log = logging.getLogger("tpp.events")

    def decided(self, batch: Sequence[ReadMessage], answers: Sequence[Sequence[str]], since: int) -> None:
        """Logs the type and the outcome of each event, and the codes of a rejection."""
        for read, texts in zip(batch, answers, strict=True):
            outcome = outcome_of(texts[0], since)
            about = {"type": type_of(read), "outcome": outcome, **event_names(read)}
            if outcome == "rejected":
                about["codes"] = codes_of(texts[0])
            self._log.info("%s %s: %s", about["type"], about["event_id"], outcome, extra={"tpp": about})


def event_names(read: ReadMessage) -> dict[str, Any]:
    """What tells an event from others in a log: source, id and, while traces are on, its trace."""
    source, id, _ = key = _key(read)
    names: dict[str, Any] = {"source": source, "event_id": id}
    return names | _trace(key, read.message.trace)


def line_names(line: str) -> dict[str, Any]:
    """The same of an answer: source and id of the event that caused it."""
    key = _key_of_line(line)
    return {} if key is None else {"source": key[0], "event_id": key[1]} | _trace(key, None)


def _trace(key: tuple[str, str, str | None], hop: str | None) -> dict[str, str]:
    if tracing() is None:
        return {}
    given = (hop or key[2] or "").split("-")
    return {"trace_id": given[1] if len(given) > 3 else f"{derived_trace(key[0], key[1]):032x}"}
