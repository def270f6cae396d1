"""Trace exports as OTLP exporters send them, and as nobody but an attacker would."""

from __future__ import annotations

import gzip
import json
import secrets
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

PROTOBUF: Final = "Content-Type: application/x-protobuf"
JSON: Final = "Content-Type: application/json"


def new_trace() -> str:
    """The id of a new trace, as OTLP has it: 32 hexadecimal digits."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Way:
    """A way in which an export can be sent: the fields of its head, and its body."""

    name: str
    fields: tuple[str, ...]
    body: bytes


def protobuf(
    *traces: str,
    attributes: Mapping[str, str] | None = None,
    resource: Mapping[str, str] | None = None,
    padding: int = 0,
) -> bytes:
    """An export of a root span for each trace; ``padding``: bytes of text behind them."""
    spans = [_span(each, attributes or {}) for each in traces]
    about = Resource()
    for key, value in (resource or {}).items():
        about.attributes.add(key=key).value.string_value = value
    inner = ResourceSpans(resource=about)
    inner.scope_spans.add().spans.extend(spans)
    if padding:
        last = spans[-1]
        last.span_id = secrets.token_bytes(8)
        last.parent_span_id = spans[0].span_id
        last.attributes.add(key="padding").value.string_value = "x" * padding
        inner.scope_spans.add().spans.append(last)
    return bytes(ExportTraceServiceRequest(resource_spans=[inner]).SerializeToString())


def _span(trace: str, attributes: Mapping[str, str]) -> Span:
    now = time.time_ns()
    span = Span(
        trace_id=bytes.fromhex(trace),
        span_id=secrets.token_bytes(8),
        name="span",
        start_time_unix_nano=now - 1_000_000,
        end_time_unix_nano=now,
    )
    for key, value in attributes.items():
        span.attributes.add(key=key).value.string_value = value
    return span


def as_json(*traces: str, attributes: Mapping[str, str] | None = None) -> bytes:
    """The same in JSON."""
    given = [{"key": k, "value": {"stringValue": v}} for k, v in (attributes or {}).items()]
    now = time.time_ns()
    spans = [
        {
            "traceId": each,
            "spanId": secrets.token_hex(8),
            "name": "span",
            "startTimeUnixNano": str(now - 1_000_000),
            "endTimeUnixNano": str(now),
            "attributes": given,
        }
        for each in traces
    ]
    message: Any = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    return json.dumps(message).encode()


def raw_deflate(data: bytes) -> bytes:
    """Deflate without zlib's head, as some clients send it."""
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def ways(trace: str, attributes: Mapping[str, str]) -> list[Way]:
    """An export in every form that MLflow takes."""
    plain, text = protobuf(trace, attributes=attributes), as_json(trace, attributes=attributes)
    escaped = text.replace(b"mlflow", b"ml\\u0066low").replace(b'"key"', b'"k\\u0065y" \n')
    gzipped, deflated = "Content-Encoding: gzip", "Content-Encoding: deflate"
    return [
        Way("protobuf", (PROTOBUF,), plain),
        Way("protobuf, gzip", (PROTOBUF, gzipped), gzip.compress(plain)),
        Way("protobuf, deflate", (PROTOBUF, deflated), zlib.compress(plain)),
        Way("protobuf, bare deflate", (PROTOBUF, deflated), raw_deflate(plain)),
        Way("JSON", (JSON,), text),
        Way("JSON, gzip", (f"{JSON}; charset=utf-8", gzipped), gzip.compress(text)),
        Way("JSON, escapes", (JSON,), escaped),
        Way("JSON, byte order mark", (JSON,), b"\xef\xbb\xbf" + text),
    ]
