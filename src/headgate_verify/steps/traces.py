"""A trace, sent like any OpenTelemetry program does, and read back like MLflow's UI does."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from headgate_verify import transport
from headgate_verify.environment import OTLP_AUTHORITIES, REQUEST_TIMEOUT
from headgate_verify.steps import removal
from headgate_verify.subject import MismatchError, Subject, expect, wait_until

SPAN_NAME = "headgate-verify"
_EXPORTER = "opentelemetry.exporter.otlp.proto.http"
_EXPERIMENT_HEADER = "x-mlflow-experiment-id"  # mlflow/tracing/utils/otlp.py


def over_otlp(subject: Subject) -> str:
    """Send one span to ``/v1/traces`` and wait until a search shows it."""
    span = _span()
    context = span.get_span_context()
    if context is None:
        raise MismatchError("OpenTelemetry made a span without an identity")
    subject.trace_id = f"tr-{context.trace_id:032x}"
    subject.made[removal.TRACE] = subject.trace_id
    method = _export(subject, span)
    wait_until(lambda: _arrived(subject), f"the trace {subject.trace_id} was not found")
    trace = subject.client.get_trace(subject.trace_id)
    expect("spans of the trace", [item.name for item in trace.data.spans], [SPAN_NAME])
    return f"{subject.trace_id}, sent by {method}"


def _span() -> ReadableSpan:
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": SPAN_NAME}),
        shutdown_on_exit=False,
    )
    span = provider.get_tracer(SPAN_NAME).start_span(SPAN_NAME)
    span.end()
    if not isinstance(span, Span):
        raise MismatchError("OpenTelemetry did not record the span")
    return span


def _export(subject: Subject, span: ReadableSpan) -> str:
    """Use OpenTelemetry's exporter where it is installed; it cannot skip TLS verification."""
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    if _installed(_EXPORTER) and not insecure:
        export_with_opentelemetry(subject, span)
        return "OpenTelemetry's exporter"
    export_with_mlflow(subject, span)
    return "MLflow's HTTP client"


def export_with_opentelemetry(subject: Subject, span: ReadableSpan) -> None:
    """Send one span with the exporter that instrumented programs use."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - optional
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

    exporter = OTLPSpanExporter(
        endpoint=f"{subject.url}/v1/traces",
        headers={
            _EXPERIMENT_HEADER: subject.experiment_id,
            "Authorization": subject.credentials.authorization,
        },
        timeout=REQUEST_TIMEOUT,
    )  # it reads its certificates from the environment
    with _authorities_of_its_own():
        result = exporter.export((span,))
    if result is not SpanExportResult.SUCCESS:
        raise ConnectionError("the OTLP exporter could not deliver the span")


@contextmanager
def _authorities_of_its_own() -> Iterator[None]:
    """Make the exporter use its own file of certificate authorities.

    It sets the file on a session of requests, which prefers environment variables to it
    (``requests.Session.merge_environment_settings``).
    """
    others = {}
    if os.environ.get(OTLP_AUTHORITIES):
        names = [name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if name in os.environ]
        others = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(others)


def export_with_mlflow(subject: Subject, span: ReadableSpan) -> None:
    """Send one span as OTLP protobuf without the exporter."""
    context = span.get_span_context()
    if context is None:
        raise MismatchError("OpenTelemetry made a span without an identity")
    message = trace_pb2.Span(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        name=span.name,
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
    )
    request = ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(scope_spans=[trace_pb2.ScopeSpans(spans=[message])])
        ]
    )
    response = transport.send(
        subject.url,
        "/v1/traces",
        "POST",
        data=request.SerializeToString(),
        extra_headers={
            "Content-Type": "application/x-protobuf",
            _EXPERIMENT_HEADER: subject.experiment_id,
        },
    )
    response.raise_for_status()


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # one of its parent packages
        return False


def _arrived(subject: Subject) -> bool:
    found = subject.client.search_traces(
        locations=[subject.experiment_id], include_spans=False, max_results=10
    )
    return subject.trace_id in [trace.info.trace_id for trace in found]
