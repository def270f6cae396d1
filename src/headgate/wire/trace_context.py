"""The W3C trace context in a head: which of it is valid, and where its parts stand.

https://www.w3.org/TR/trace-context/, sections 3.2 and 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from headgate.model import SpanContext

TRACE_FIELDS: Final = frozenset({b"traceparent", b"tracestate"})
# Section 3.2: what a parent of version 00 looks like once each lower-case hexadecimal digit is a
# zero.  A later version may go on after another hyphen (section 3.2.4).
_TRACEPARENT: Final = b"00-%b-%b-00" % (b"0" * 32, b"0" * 16)
_LENGTH: Final = len(_TRACEPARENT)
_ZEROS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_NO_TRACE: Final = _TRACEPARENT[2:36]
_NO_PARENT: Final = _TRACEPARENT[35:53]
_HYPHEN: Final = 0x2D
# Where the parts stand in the line ``traceparent: 00-…``.
_LINE: Final = 13
_TRACE_AT: Final = _LINE + 3
_TRACE_END: Final = _TRACE_AT + 32
_PARENT_AT: Final = _TRACE_END + 1
_PARENT_END: Final = _PARENT_AT + 16
_FLAGS_AT: Final = _PARENT_END + 1
_FLAGS_END: Final = _FLAGS_AT + 2
SAMPLED: Final = 1
"""The bit of the trace flags that says that the sender records the trace (section 3.2.2.3.1)."""
_RANDOM: Final = 2  # of Level 2: the trace id is random, which it remains
_FLAGS_SENT: Final = (b"00", b"01", b"02", b"03")  # all others must be zero

# Section 3.3.1.3; the keys are those of Level 2, which has more of them.
_STATE_MEMBER: Final = re.compile(
    rb"([a-z0-9][_0-9a-z\-*/@]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]"
)
MAX_STATE_MEMBERS: Final = 32
"""A ``tracestate`` with more is invalid as a whole (section 3.3.1.1)."""


def is_traceparent(value: bytes) -> bool:
    """Whether a trace context's parent is one that a reader of version 00 takes (W3C, 3.2)."""
    if len(value) > _LENGTH:
        if value[_LENGTH] != _HYPHEN or value[:2] == b"00":
            return False
        value = value[:_LENGTH]
    return (
        value.translate(_ZEROS) == _TRACEPARENT
        and value[:2] != b"ff"
        and value[2:36] != _NO_TRACE
        and value[35:53] != _NO_PARENT
    )


def is_tracestate(value: bytes) -> bool:
    """Whether a ``tracestate`` is one that every reader takes (W3C, 3.3.1)."""
    keys: set[bytes] = set()
    for member in value.split(b","):
        text = member.strip(b" \t")
        if not text:
            continue
        found = _STATE_MEMBER.fullmatch(text)
        if found is None or found[1] in keys or len(keys) == MAX_STATE_MEMBERS:
            return False
        keys.add(found[1])
    return True


def trace_lines(header: Mapping[bytes, bytes]) -> bytes:
    """The W3C trace context to send on: all of it when valid, nothing otherwise."""
    parent = header.get(b"traceparent")
    if parent is None or not is_traceparent(parent):
        return b""
    line = b"traceparent: %b\r\n" % parent
    state = header.get(b"tracestate")
    return b"%btracestate: %b\r\n" % (line, state) if state else line


def passed_on(lines: bytes) -> SpanContext:
    """The place of a request whose ``trace_lines`` are passed on as they are; there are some."""
    return SpanContext(lines[_TRACE_AT:_TRACE_END], lines[_PARENT_AT:_PARENT_END])


def continued(lines: bytes, span_id: bytes) -> SpanContext:
    """The place of a request whose client's trace goes on with a span of the gate.

    Args:
        lines: its ``trace_lines``; there are some.
        span_id: of the gate's span.
    """
    flags = int(lines[_FLAGS_AT:_FLAGS_END], 16)
    return SpanContext(
        lines[_TRACE_AT:_TRACE_END],
        lines[_PARENT_AT:_PARENT_END],
        span_id,
        parent_sampled=flags & SAMPLED != 0,
        flags=_FLAGS_SENT[flags & (SAMPLED | _RANDOM)],
        state=_state_line(lines),
    )


def _state_line(lines: bytes) -> bytes:
    """The line of the ``tracestate`` among the ``trace_lines``; empty where it is not valid."""
    _, _, line = lines.partition(b"\r\n")
    if not line:
        return b""
    _, _, state = line[:-2].partition(b": ")
    return line if is_tracestate(state) else b""


def parent_lines(span: SpanContext) -> bytes:
    """The lines by which MLflow's part of a trace hangs below the span of an attempt."""
    return b"traceparent: 00-%b-%b-%b\r\n%b" % (
        span.trace_id,
        span.attempt_id,
        span.flags,
        span.state,
    )
