"""The W3C trace context of a request: passed on when it is valid, and not at all otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TRACE_FIELDS: Final = frozenset({b"traceparent", b"tracestate"})
# Section 3.2, as any reader of version 00 takes it: what it looks like once
# each lower-case hexadecimal digit is a zero.
_TRACEPARENT: Final = b"00-%b-%b-00" % (b"0" * 32, b"0" * 16)
_ZEROS: Final = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
_NO_TRACE: Final = _TRACEPARENT[2:36]
_NO_PARENT: Final = _TRACEPARENT[35:53]


def is_traceparent(value: bytes) -> bool:
    """Whether a trace context's parent is one that any version-00 reader takes (W3C, 3.2)."""
    return (
        value.translate(_ZEROS) == _TRACEPARENT
        and value[:2] != b"ff"
        and value[2:36] != _NO_TRACE
        and value[35:53] != _NO_PARENT
    )


def trace_lines(header: Mapping[bytes, bytes]) -> bytes:
    """The W3C trace context to send on: all of it when valid, nothing otherwise."""
    parent = header.get(b"traceparent")
    if parent is None or not is_traceparent(parent):
        return b""
    line = b"traceparent: %b\r\n" % parent
    state = header.get(b"tracestate")
    return b"%btracestate: %b\r\n" % (line, state) if state else line
