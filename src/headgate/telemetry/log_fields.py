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


_S, _I, _N = JsonType.STRING, JsonType.INTEGER, JsonType.NUMBER

ACCESS_FIELDS: Final = (
    LogField("time", _S, "when the request ended: UTC, RFC 3339, with milliseconds"),
    LogField("event", _S, "always `request`"),
    LogField("reason", _S, "the [reason code](reason-codes.md)"),
    LogField("phase", _S, "the [phase](../explanation/diagrams.md) in which the request ended"),
    LogField("status", _I, "the status that the client was sent; 0: none"),
    LogField("method", _S, "the method; empty where the head could not be read"),
    LogField("path", _S, "the path as the client wrote it, without the query, cut at 1,024 bytes"),
    LogField("family", _S, "the [family of the route](routes.md); empty where it is not known"),
    LogField("principal", _S, "the name of the key; empty where no good key was shown"),
    LogField(
        "principal_id",
        _S,
        "the id of the key, which no other key ever has; `anonymous` without keys; or empty",
    ),
    LogField(
        "request_id", _S, "the client's `X-Request-ID` or the gate's own; MLflow is sent it too"
    ),
    LogField("duration_ms", _N, "milliseconds from the head to the end of the response"),
    LogField(
        "upstream_ms", _N, "milliseconds that the last attempt spent at MLflow; 0: it had no part"
    ),
    LogField("bytes_in", _I, "bytes of the request's body that were received"),
    LogField("bytes_out", _I, "bytes of the response's body that were sent"),
    LogField("client", _S, "the client's address, as trusted proxies name it"),
    LogField("endpoint", _S, "address and port of the MLflow server tried last; or empty"),
    LogField("attempts", _I, "how often the request was sent to MLflow"),
    LogField("user_agent", _S, "the client's `User-Agent`, cut at 256 bytes"),
    LogField("fault", _S, "who has to act", "`reason` is not `ok`"),
    LogField("detail", _S, "what exactly happened, for operators", "`reason` is not `ok`"),
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
