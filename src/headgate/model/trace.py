"""The place of a request in a trace (W3C Trace Context)."""

from __future__ import annotations

from typing import Final


class SpanContext:
    """The gate's span of one request.

    Ids are lower-case hexadecimal digits, as in a ``traceparent``.

    Attributes:
        trace_id: 32 digits.
        parent_id: 16 digits, of the client's span; empty where the trace begins here.
        span_id: 16 digits, of the gate's span; empty where the gate only passes the trace on.
        attempt_id: 16 digits, of the span of the last attempt; empty where there is none.
        sampled: whether the gate's spans are to be exported.
    """

    __slots__ = ("attempt_id", "parent_id", "sampled", "span_id", "trace_id")

    def __init__(
        self, trace_id: bytes, parent_id: bytes, span_id: bytes = b"", *, sampled: bool = False
    ) -> None:
        self.trace_id: Final = trace_id
        self.parent_id: Final = parent_id
        self.span_id: Final = span_id
        self.sampled: Final = sampled
        self.attempt_id = b""
