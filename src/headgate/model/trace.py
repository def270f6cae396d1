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
        parent_sampled: whether the client says that it records the trace.
        sampled: whether the gate's spans are to be exported.
        decided: whether ``sampled`` is decided: that takes who sends the request.
        flags: two digits, the trace flags that MLflow is sent; empty until they are known.
        state: the line of the client's ``tracestate``, as it stands in a head; empty for none.
        scheme: that the client used; empty where the head could not be read.
        host: the ``Host`` that the client used, with its port if it named one; likewise.
        minor: the minor version of HTTP/1; negative where the head could not be read.
    """

    __slots__ = (
        "attempt_id",
        "decided",
        "flags",
        "host",
        "minor",
        "parent_id",
        "parent_sampled",
        "sampled",
        "scheme",
        "span_id",
        "state",
        "trace_id",
    )

    def __init__(
        self,
        trace_id: bytes,
        parent_id: bytes,
        span_id: bytes = b"",
        *,
        parent_sampled: bool = False,
        sampled: bool = False,
        flags: bytes = b"",
        state: bytes = b"",
    ) -> None:
        self.trace_id: Final = trace_id
        self.parent_id: Final = parent_id
        self.span_id: Final = span_id
        self.attempt_id = b""
        self.parent_sampled: Final = parent_sampled
        self.sampled = sampled
        self.decided = False
        self.flags = flags
        self.state: Final = state
        self.scheme = ""
        self.host = b""
        self.minor = -1

    def received(self, scheme: str, host: bytes, minor: int) -> None:
        """Keep how the request came, which spans say and no other sink needs."""
        self.scheme = scheme
        self.host = host
        self.minor = minor
