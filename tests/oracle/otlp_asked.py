"""Makes trace exports: such as exporters send, and such as might be read in two ways."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate.model import ObjectKind
from tests.oracle.gate_decider import IDS, OTHER, OWN
from tests.support.otlp import raw_deflate

TRACES = tuple(each.removeprefix("tr-") for each in IDS[ObjectKind.TRACE])
NEW = "c9" * 16
NAMES = ("gen_ai.system", "mlflow.spanInputs", "mlflow.traceTag.reviewed", "service.name")
PLACES = (
    "mlflow.traceTag.mlflow.artifactLocation",
    "mlflow.traceTag.mlflow.trace.spansLocation",
    "mlflow.traceTag.mlflow.trace.archiveLocation",
    "mlflow.traceTag.MLFLOW.artifactLocation ",
    "mlflow.artifactLocation",
)
TEXTS = ("", "x", *PLACES, json.dumps({"key": PLACES[0]}), "\n'" + PLACES[0] + "'", "\u00e9")
MEDIA = (
    "application/x-protobuf",
    "application/json",
    "application/json; charset=utf-16",
    "application/x-protobuf;x",
    "application/JSON",
    "text/plain",
    "",
)


class Export(NamedTuple):
    """A request; ``plain``: an exporter could have sent it, into traces of its own."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
    plain: bool


class Exporter:
    """Makes exports, by chance that ``seed`` decides."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  nothing is secret here
        self._plain = True

    def export(self) -> Export:
        """One request."""
        self._plain = True
        as_json = self._chance(0.4)
        message = self._message()
        body = self._json(message) if as_json else self._protobuf(message)
        coding = self._one(("", "", "", "gzip", "gzip", "deflate", "bare"))
        if self._chance(0.03):
            coding = self._odd(self._one(("identity", "br", "GZIP", "gzip, gzip")))
        body = self._compressed(body, coding)
        media = "application/json" if as_json else "application/x-protobuf"
        if self._chance(0.05):
            media = self._odd(self._one(MEDIA))
        experiment = IDS[ObjectKind.EXPERIMENT][OWN]
        if self._chance(0.05):
            experiment = self._odd(self._one((IDS[ObjectKind.EXPERIMENT][OTHER], "", " 71", "x")))
        headers = [("x-mlflow-experiment-id", experiment), ("Content-Type", media)]
        if coding:
            headers.append(("Content-Encoding", "deflate" if coding == "bare" else coding))
        if self._chance(0.05):
            headers.append(("x-mlflow-run-id", self._odd(self._one(IDS[ObjectKind.RUN]))))
        return Export(tuple(headers), body, self._plain)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _one(self, of: Any) -> Any:
        return self._random.choice(of)

    def _odd(self, value: Any) -> Any:
        """Something that no exporter sends."""
        self._plain = False
        return value

    def _trace(self) -> str:
        if self._chance(0.1):
            return str(self._odd(TRACES[OTHER]))
        return self._random.choice((TRACES[OWN], NEW))

    def _attributes(self, odd: float = 0.06) -> list[dict[str, Any]]:
        found = []
        for _ in range(self._random.randrange(3)):
            name = self._odd(self._one(PLACES)) if self._chance(odd) else self._one(NAMES)
            found.append({"key": name, "value": self._value()})
        return found

    def _value(self) -> dict[str, Any]:
        if self._chance(0.1):
            inner = [{"key": "a", "value": {"boolValue": True}}]
            return {"kvlistValue": {"values": inner}}
        return {"stringValue": self._one(TEXTS)}

    def _message(self) -> dict[str, Any]:
        def span() -> dict[str, Any]:
            found = {
                "traceId": self._trace(),
                "spanId": f"{self._random.getrandbits(64) | 1:016x}",
                "name": "span",
                "startTimeUnixNano": "1544712660000000000",
                "endTimeUnixNano": "1544712661000000000",
                "attributes": self._attributes(),
            }
            if self._chance(0.3):
                found["parentSpanId"] = f"{self._random.getrandbits(64) | 1:016x}"
            return found

        return {
            "resourceSpans": [
                {
                    "resource": {"attributes": self._attributes()},
                    "scopeSpans": [
                        {"spans": [span() for _ in range(self._random.randrange(1, 4))]}
                    ],
                }
                for _ in range(self._random.choice((1, 1, 2)))
            ]
        }

    # --- protobuf ------------------------------------------------------------------------------

    def _protobuf(self, message: dict[str, Any]) -> bytes:
        body = bytearray(_encoded(message))
        if self._chance(0.3):
            self._odd(None)
            self._break(body)
        return bytes(body)

    def _break(self, body: bytearray) -> None:
        kind = self._random.randrange(5)
        at = self._random.randrange(len(body) or 1)
        if kind == 0:
            body[at : at + 1] = bytes([self._random.randrange(256)])
        elif kind == 1:
            body[at:at] = self._random.randbytes(self._random.randrange(1, 4))
        elif kind == 2:
            del body[at : at + self._random.randrange(1, 4)]
        elif kind == 3:
            body += _encoded(self._message())  # messages are merged
        elif at + 1 < len(body) and body[at] < 0x80:  # a longer spelling of a number, perhaps
            body[at : at + 1] = bytes([body[at] | 0x80, 0])

    # --- JSON ----------------------------------------------------------------------------------

    def _json(self, message: dict[str, Any]) -> bytes:
        text = json.dumps(message, ensure_ascii=self._chance(0.5))
        if self._chance(0.4):
            self._odd(None)
            text = self._respelled(text)
        encoding = "utf-8"
        if self._chance(0.05):
            encoding = self._odd(self._one(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7")))
        return text.encode(encoding)

    def _respelled(self, text: str) -> str:
        old, new = self._one(
            (
                ('"resourceSpans"', '"resource_spans"'),
                ('"scopeSpans"', '"scope_spans"'),
                ('"traceId"', '"trace_id"'),
                ('"key"', '"k\\u0065y"'),
                ('"key"', '"Key"'),
                ("mlflow", "\\u006dlflow"),
                (": ", "\n\t :  "),
                (TRACES[OTHER], TRACES[OTHER].upper()),
                (TRACES[OTHER], f" {TRACES[OTHER][:2]} {TRACES[OTHER][2:]}"),
                (TRACES[OTHER], base64.b64encode(bytes.fromhex(TRACES[OTHER])).decode()),
                ('"spans": [', '"spans": [], "spans": ['),
                ('"traceId": ', f'"traceId": "{NEW}", "traceId": '),
                ('"traceId": ', f'"trace_id": "{"uLi4" * 5}uA==", "traceId": '),
                ('"attributes": ', '"attributes": null, "attributes": '),
                ("}", '}, "x": NaN}'),
            )
        )
        return text.replace(old, new)

    # --- coding --------------------------------------------------------------------------------

    def _compressed(self, body: bytes, coding: str) -> bytes:
        coders: dict[str, Callable[[bytes], bytes]]
        coders = {"gzip": gzip.compress, "deflate": zlib.compress, "bare": raw_deflate}
        packed = bytearray(coders[coding](body) if coding in coders else body)
        if coding and packed and self._chance(0.1):
            self._odd(None)
            kind = self._random.randrange(3)
            if kind == 0:
                packed[self._random.randrange(len(packed))] ^= 1 << self._random.randrange(8)
            elif kind == 1:
                packed += self._one((b"\0", b"x", bytes(packed)))
            else:
                del packed[-self._random.randrange(1, 9) :]
        return bytes(packed)


def _encoded(message: dict[str, Any]) -> bytes:
    """The protobuf form of a message in OTLP's JSON form."""
    request = ExportTraceServiceRequest()
    for given in message["resourceSpans"]:
        resource_spans = request.resource_spans.add()
        _fill(resource_spans.resource.attributes, given["resource"]["attributes"])
        for scope in given["scopeSpans"]:
            spans = resource_spans.scope_spans.add().spans
            for each in scope["spans"]:
                span = spans.add(
                    trace_id=bytes.fromhex(each["traceId"]),
                    span_id=bytes.fromhex(each["spanId"]),
                    parent_span_id=bytes.fromhex(each.get("parentSpanId", "")),
                    name=each["name"],
                    start_time_unix_nano=int(each["startTimeUnixNano"]),
                    end_time_unix_nano=int(each["endTimeUnixNano"]),
                )
                _fill(span.attributes, each["attributes"])
    return bytes(request.SerializeToString())


def _fill(attributes: Any, given: list[dict[str, Any]]) -> None:
    for each in given:
        value = attributes.add(key=each["key"]).value
        if "stringValue" in each["value"]:
            value.string_value = each["value"]["stringValue"]
        else:
            value.kvlist_value.values.add(key="a").value.bool_value = True
