"""The fields of log lines, declared once.

The reference page is made from these tables, and tests hold every line to them.  The line of a
request is written by hand (``access_log.py``), since each instruction of it counts; the fields of
an event's line are the attributes of its class (``headgate.events``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class JsonType(enum.StrEnum):
    """What a field's value is in JSON."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class LogField:
    """One field of a log line.

    Attributes:
        name: as in the line.
        type: of its value.
        text: what it says, with its unit.
        when: when the line has it; empty: always.
    """

    name: str
    type: JsonType
    text: str
    when: str = ""


_S, _I, _N, _A = JsonType.STRING, JsonType.INTEGER, JsonType.NUMBER, JsonType.ARRAY
_KNOWN: Final = "the route is known"
_FAILED: Final = "`reason` is not `ok`"

ACCESS_FIELDS: Final = (
    LogField("time", _S, "when the request ended: UTC, RFC 3339, with milliseconds"),
    LogField("event", _S, "always `request`"),
    LogField("reason", _S, "the [reason code](reason-codes.md)"),
    LogField("phase", _S, "the [phase](../explanation/diagrams.md) in which the request ended"),
    LogField("status", _I, "the status that the client was sent; 0: none"),
    LogField("source", _S, "whose response that was: `mlflow`, `gate` or `none`"),
    LogField("method", _S, "the method; empty where the head could not be read"),
    LogField("path", _S, "the path as the client wrote it, without the query, cut at 1,024 bytes"),
    LogField(
        "route", _S, "the pattern of the canonical path, such as `/api/2.0/mlflow/runs/get`", _KNOWN
    ),
    LogField("operation", _S, "the name of the [route](routes.md), such as `runs/get`", _KNOWN),
    LogField("family", _S, "the [family of the route](routes.md); `none` where it is not known"),
    LogField(
        "canonical_path",
        _S,
        "the path that was decided on, cut at 1,024 bytes",
        "it differs from `path`",
    ),
    LogField(
        "upstream_path",
        _S,
        "the path that MLflow was sent, without the query, cut at 1,024 bytes",
        "it differs from the canonical path",
    ),
    LogField("principal", _S, "the name of the sender; empty where no good key was shown"),
    LogField(
        "principal_id",
        _S,
        "the id of the sender, which nobody else ever has; `anonymous` without keys; or empty",
    ),
    LogField("authenticator", _S, "what identified the sender: `key`, `token` or `none`"),
    LogField("key_id", _S, "the id of the key or token that was shown", "one was accepted"),
    LogField(
        "request_id", _S, "the client's `X-Request-ID` or the gate's own; MLflow is sent it too"
    ),
    LogField(
        "trace_id",
        _S,
        "the trace: 32 hexadecimal digits",
        "the client sent a `traceparent`, or the gate traces",
    ),
    LogField("span_id", _S, "the gate's span in it: 16 hexadecimal digits", "the gate traces"),
    LogField(
        "queue_ms",
        _N,
        "milliseconds in the queue of a full upstream",
        "the request waited there",
    ),
    LogField(
        "hold_ms",
        _N,
        "milliseconds held while the upstream was parked",
        "the request waited there",
    ),
    LogField(
        "connect_ms",
        _N,
        "milliseconds to open connections to endpoints",
        "none was taken from the pool",
    ),
    LogField(
        "first_byte_ms",
        _N,
        "milliseconds from the head to the first byte of the response",
        "there was one",
    ),
    LogField("duration_ms", _N, "milliseconds from the head to the end of the response"),
    LogField(
        "upstream_ms", _N, "milliseconds that the last attempt spent at MLflow; 0: it had no part"
    ),
    LogField(
        "gate_ms",
        _N,
        "milliseconds that the gate itself took until the last attempt was sent, without any wait",
    ),
    LogField("bytes_in", _I, "bytes of the request's body that were received"),
    LogField("bytes_out", _I, "bytes of the response's body that were sent"),
    LogField("client", _S, "the client's address, as trusted proxies name it"),
    LogField("upstream", _S, "the name of the upstream", "the route leads to one"),
    LogField("endpoint", _S, "address and port of the MLflow server tried last; or empty"),
    LogField("attempts", _I, "how often the request was sent to MLflow"),
    LogField("user_agent", _S, "the client's `User-Agent`, cut at 256 bytes"),
    LogField(
        "client_version", _S, "the version of MLflow's client", "`user_agent` is one of MLflow's"
    ),
    LogField(
        "retries",
        _A,
        "attempts that another one followed, at most 4, each with `endpoint`, `cause` "
        "(`connect_failed`, `reset`, `timeout`, `endpoint_down`) and `ms`",
        "there were any",
    ),
    LogField("fault", _S, "who has to act", _FAILED),
    LogField(
        "message",
        _S,
        "the sentence that the client was sent",
        "the gate refused the request",
    ),
    LogField("detail", _S, "what exactly happened, for operators", _FAILED),
    LogField(
        "replayed",
        _S,
        "what the response is: `response`, the one that MLflow gave to the same request before, or "
        "`run`, made of what MLflow has created for that",
        "it answers a [create sent again](../explanation/creates.md)",
    ),
    LogField(
        "sample_rate",
        _N,
        "the part of such requests that has a line: multiply counts by its inverse",
        "`log.sample` or `log.health_checks` left out others",
    ),
    LogField(
        "lines_dropped",
        _I,
        "lines lost before this one: no earlier line counts them",
        "lines were lost",
    ),
)
"""The line of a request, in its order."""

EVENT_FIELDS: Final = (
    LogField("time", _S, "when the event was logged: UTC, RFC 3339, with milliseconds"),
    LogField(
        "event", _S, "the name of the [event](events.md); `log` for what a library logs by itself"
    ),
    LogField("level", _S, "`info`, `warning` or `error`"),
    LogField("logger", _S, "the part of the gate, or the library, that it comes from"),
    LogField("message", _S, "the event in words; it may change with any release"),
    LogField("pid", _I, "the process that logs it"),
    LogField("exception", _S, "a traceback", "the event is a defect"),
    LogField("events_lost", _I, "events lost before this one", "events were lost"),
)
"""What every line of the event log has, beside the fields of its event."""
