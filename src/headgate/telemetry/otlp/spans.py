"""Makes spans of the outcomes of requests.

A request is a span of kind SERVER, each of its attempts at an endpoint one of kind CLIENT, by
https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from headgate.model import Outcome, Source, SpanContext
from headgate.telemetry.otlp import names
from headgate.telemetry.otlp.errors import client_error_type, error_type, is_error
from headgate.telemetry.otlp.span_queue import Ended
from headgate.telemetry.redact import without_keys

MOST_CHARACTERS: Final = 1024
"""Of one text of a client, as in the access log."""
_NANOSECONDS: Final = 1_000_000_000
_SPAN_BYTES: Final = 8
_REMOTE: Final = (
    SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
)
_LOCAL: Final = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_STATE: Final = b"tracestate: "
_AUTHORITY: Final = re.compile(r"([A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_LONGEST_HOST: Final = 262  # a name of 255 characters and a port
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class ServedAt(NamedTuple):
    """Where clients reach the gate: the attributes ``server.*`` and ``url.scheme``."""

    address: str
    port: int
    scheme: str


class _Attempt(NamedTuple):
    """One attempt at an endpoint; times in seconds from the request's head."""

    endpoint: str
    span_id: bytes
    began: float
    ended: float
    status: int
    error: str
    detail: str


class SpanMaker:
    """Makes the spans of a request.

    Args:
        served_at: where clients reach the gate, for requests that do not say it.
        draw: gives that many random bytes, such as ``os.urandom``.
        principal_ids: whether spans say who sent the request.
        upstream_schemes: the scheme of each upstream's URL, by its name.
    """

    def __init__(
        self,
        served_at: ServedAt,
        draw: Callable[[int], bytes],
        *,
        principal_ids: bool,
        upstream_schemes: dict[str, str],
    ) -> None:
        self._served_at = served_at
        self._draw = draw
        self._principal_ids = principal_ids
        self._upstream_schemes = upstream_schemes

    def add_to(self, spans: Any, ended: Ended) -> None:
        """Add the spans of a request to a repeated field of them."""
        outcome, trace = ended.outcome, ended.outcome.trace
        if trace is None:
            return
        begin = ended.time - outcome.duration
        self._server_span(spans.add(), ended, trace, begin)
        # The gate's own pages are no endpoint of an upstream.
        if ended.sampled and outcome.upstream:
            for number, attempt in enumerate(self._attempts(outcome, trace)):
                self._client_span(spans.add(), outcome, trace, begin, number, attempt)

    def _server_span(self, span: Any, ended: Ended, trace: SpanContext, begin: float) -> None:
        outcome = ended.outcome
        route = "" if outcome.operation is None else outcome.operation.route(outcome.canonical)
        method = outcome.method.decode("latin-1")
        shown = method if method in names.METHODS else "HTTP"
        span.name = f"{shown} {route}" if route else shown
        span.kind = Span.SPAN_KIND_SERVER
        _place(span, trace, trace.span_id, trace.parent_id, _REMOTE if trace.parent_id else _LOCAL)
        _times(span, begin, 0.0, outcome.duration)
        attributes = span.attributes
        _method(attributes, method)
        at = self._reached_at(trace)
        _text(attributes, names.URL_SCHEME, at.scheme)
        _text(attributes, names.SERVER_ADDRESS, at.address)
        _number(attributes, names.SERVER_PORT, at.port)
        if trace.minor >= 0:
            _text(attributes, names.NETWORK_PROTOCOL_VERSION, f"1.{trace.minor}")
        _text(attributes, names.CLIENT_ADDRESS, outcome.client)
        _text(attributes, names.URL_PATH, _shown(_path_of(outcome.target)))
        _text(attributes, names.USER_AGENT_ORIGINAL, _shown(outcome.user_agent))
        _text(attributes, names.HTTP_ROUTE, route)
        if outcome.status:
            _number(attributes, names.HTTP_RESPONSE_STATUS_CODE, outcome.status)
        _text(attributes, names.ERROR_TYPE, error_type(outcome))
        _text(attributes, names.FAMILY, outcome.family or "none")
        if outcome.operation is not None:
            _text(attributes, names.OPERATION, outcome.operation.name)
        _text(attributes, names.REASON, outcome.reason.value)
        _text(attributes, names.PHASE, outcome.phase.value)
        _text(attributes, names.SOURCE, outcome.source.value)
        _text(attributes, names.UPSTREAM, outcome.upstream)
        _text(attributes, names.REQUEST_ID, without_keys(outcome.request_id.decode("latin-1")))
        if self._principal_ids:
            _text(attributes, names.PRINCIPAL, outcome.principal.id)
        _add_phases(span.events, outcome, begin)
        if is_error(outcome):
            _fail(span, outcome.detail)

    def _reached_at(self, trace: SpanContext) -> ServedAt:
        """Where the client reached the gate: by its own words, or else by the configuration."""
        found = _AUTHORITY.fullmatch(trace.host[:_LONGEST_HOST].decode("latin-1"))
        if not trace.scheme or found is None:
            return self._served_at
        port = found[2] or _DEFAULT_PORTS.get(trace.scheme, "80")
        return ServedAt(_masked(found[1].strip("[]")), int(port), trace.scheme)

    def _client_span(
        self,
        span: Any,
        outcome: Outcome,
        trace: SpanContext,
        begin: float,
        number: int,
        attempt: _Attempt,
    ) -> None:
        method = outcome.method.decode("latin-1")
        route = "" if outcome.operation is None else outcome.operation.path
        shown = method if method in names.METHODS else "HTTP"
        span.name = f"{shown} {route}" if route else shown
        span.kind = Span.SPAN_KIND_CLIENT
        _place(span, trace, attempt.span_id, trace.span_id, _LOCAL)
        _times(span, begin, attempt.began, min(attempt.ended, outcome.duration))
        attributes = span.attributes
        _method(attributes, method)
        address, _, port = attempt.endpoint.rpartition(":")
        scheme = self._upstream_schemes.get(outcome.upstream, "http")
        path = _shown(outcome.path.partition(b"?")[0])
        _text(attributes, names.SERVER_ADDRESS, address.strip("[]"))
        if port.isdecimal():
            _number(attributes, names.SERVER_PORT, int(port))
        _text(attributes, names.URL_FULL, f"{scheme}://{attempt.endpoint}{path}")
        _text(attributes, names.UPSTREAM, outcome.upstream)
        if number:
            _number(attributes, names.HTTP_REQUEST_RESEND_COUNT, number)
        if attempt.status:
            _number(attributes, names.HTTP_RESPONSE_STATUS_CODE, attempt.status)
        _text(attributes, names.ERROR_TYPE, attempt.error)
        if attempt.error:
            _fail(span, attempt.detail)

    def _attempts(self, outcome: Outcome, trace: SpanContext) -> Iterator[_Attempt]:
        before = 0.0
        used = set()
        for failed in outcome.retries:
            used.add(failed.span_id)
            yield _Attempt(
                failed.endpoint,
                failed.span_id or self._new_id(),
                failed.began,
                failed.ended,
                0,
                failed.failure.value,
                failed.detail,
            )
            before = failed.ended
        if not outcome.endpoint or outcome.attempts <= len(outcome.retries):
            return
        span_id = trace.attempt_id
        if not span_id or span_id in used:  # there was no connection, so MLflow has seen none
            span_id = self._new_id()
        sent = outcome.sent_after or outcome.duration
        waited = outcome.queue_duration + outcome.hold_duration
        began = max(before, waited, sent - outcome.connect_duration)
        is_mlflow = outcome.source is Source.MLFLOW
        status = outcome.status if is_mlflow else 0
        error = client_error_type(outcome)
        detail = outcome.detail if error else ""
        yield _Attempt(outcome.endpoint, span_id, began, outcome.duration, status, error, detail)

    def _new_id(self) -> bytes:
        return self._draw(_SPAN_BYTES).hex().encode("ascii")


def _place(span: Any, trace: SpanContext, span_id: bytes, parent_id: bytes, relation: int) -> None:
    span.trace_id = bytes.fromhex(trace.trace_id.decode("ascii"))
    span.span_id = bytes.fromhex(span_id.decode("ascii"))
    if parent_id:
        span.parent_span_id = bytes.fromhex(parent_id.decode("ascii"))
    if trace.state:
        span.trace_state = trace.state.removeprefix(_STATE).strip().decode("latin-1")
    span.flags = relation | int(trace.flags or b"0", 16)


def _times(span: Any, begin: float, first: float, last: float) -> None:
    span.start_time_unix_nano = int((begin + first) * _NANOSECONDS)
    span.end_time_unix_nano = int((begin + max(first, last)) * _NANOSECONDS)


def _add_phases(events: Any, outcome: Outcome, begin: float) -> None:
    """Say when each phase was over, and how long the waiting in it took."""
    queued, held = outcome.queue_duration, outcome.hold_duration
    connected = max(outcome.sent_after, queued + held + outcome.connect_duration)
    for name, at, took in (
        (names.EVENT_HELD, connected - outcome.connect_duration - queued, held),
        (names.EVENT_QUEUED, connected - outcome.connect_duration, queued),
        (names.EVENT_CONNECTED, connected, outcome.connect_duration),
        (names.EVENT_SENT, outcome.sent_after, 0.0),
        (names.EVENT_FIRST_BYTE, outcome.first_byte_after, 0.0),
    ):
        is_wait = name in (names.EVENT_HELD, names.EVENT_QUEUED, names.EVENT_CONNECTED)
        if (took if is_wait else at) <= 0.0:
            continue
        moment = begin + min(at, outcome.duration)
        event = events.add(name=name, time_unix_nano=int(moment * _NANOSECONDS))
        if is_wait:
            event.attributes.add(key=names.SECONDS).value.double_value = took


def _fail(span: Any, detail: str) -> None:
    span.status.code = Status.STATUS_CODE_ERROR
    if detail:
        span.status.message = _masked(detail[:MOST_CHARACTERS])


def _method(attributes: Any, method: str) -> None:
    if method in names.METHODS:
        _text(attributes, names.HTTP_REQUEST_METHOD, method)
        return
    _text(attributes, names.HTTP_REQUEST_METHOD, names.OTHER_METHOD)
    _text(attributes, names.HTTP_REQUEST_METHOD_ORIGINAL, method)


def _text(attributes: Any, key: str, value: str) -> None:
    """Add an attribute, unless it has no value."""
    if value:
        attributes.add(key=key).value.string_value = value


def _number(attributes: Any, key: str, value: int) -> None:
    attributes.add(key=key).value.int_value = value


def _path_of(target: bytes) -> bytes:
    """The path of a target in any form, as the client wrote it, without its query."""
    path = target.partition(b"?")[0].partition(b"#")[0]
    if path.startswith(b"/"):
        return path
    _, scheme, rest = path.partition(b"://")  # in absolute form; its host may follow a password
    return b"/" + rest.partition(b"/")[2] if scheme else b""


def _shown(text: bytes) -> str:
    return _masked(text[:MOST_CHARACTERS].decode("latin-1"))


def _masked(text: str) -> str:
    """The text with a mask in place of each key."""
    quoted = quote(text)
    masked = without_keys(quoted)
    return text if masked is quoted or masked == quoted else str(json.loads(masked))
