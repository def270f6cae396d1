"""What is read of a trace export is what the protobuf library and MLflow read of it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import HTTPException
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.tracing.utils.otlp import decompress_otlp_body
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headgate.contract.inflate import FREE, MOST_TIMES, STEP, Inflater
from headgate.contract.otlp import Export, NamesMisplacedError, media_type
from headgate.contract.otlp_json import MOST_BYTES, JsonReader, JsonScan
from headgate.contract.otlp_protobuf import ProtobufReader
from headgate.contract.trace_tags import LOCATION_TAGS
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

ID = bytes(range(16))
LOCATIONS = [
    "mlflow.traceTag.mlflow.artifactLocation",
    "mlflow.traceTag.mlflow.trace.spansLocation",
    "mlflow.traceTag.mlflow.trace.archiveLocation",
    "mlflow.artifactLocation",
    "MLFLOW.TRACETAG.mlflow.artifactlocation ",
]
KEYS = st.sampled_from(["a", "mlflow.spanInputs", "mlflow.traceTag.x", "mlflow.sourceRun"])
TEXTS = st.sampled_from([*LOCATIONS, "x", "", "\n\x17mlflow.artifactLocation", "\u00e9" * 300])


@st.composite
def any_values(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kind = draw(st.sampled_from(["stringValue", "intValue", "boolValue", "list", "map", "none"]))
    if kind == "stringValue":
        return {kind: draw(TEXTS)}
    if kind == "list" and depth:
        return {"arrayValue": {"values": draw(st.lists(any_values(depth - 1), max_size=2))}}
    if kind == "map" and depth:
        inner = draw(st.lists(st.tuples(TEXTS, any_values(depth - 1)), max_size=2))
        return {"kvlistValue": {"values": [{"key": k, "value": v} for k, v in inner]}}
    return {"intValue": "7"} if kind == "intValue" else {"boolValue": True}


@st.composite
def attributes(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS) -> list[dict[str, Any]]:
    pairs = draw(st.lists(st.tuples(keys, any_values()), max_size=3))
    return [{"key": key, "value": value} for key, value in pairs]


IDS = st.binary(min_size=16, max_size=16)


@st.composite
def exports(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS) -> dict[str, Any]:
    """An export as OTLP has it in JSON."""

    def span() -> dict[str, Any]:
        return {
            "traceId": draw(IDS).hex(),
            "spanId": draw(st.binary(min_size=8, max_size=8)).hex(),
            "name": draw(TEXTS),
            "startTimeUnixNano": "1544712660000000000",
            "attributes": draw(attributes(keys)),
            "events": [{"name": "e", "attributes": draw(attributes(TEXTS))}],
            "links": [{"traceId": draw(IDS).hex(), "attributes": draw(attributes(TEXTS))}],
        }

    spans = [[span() for _ in range(draw(st.integers(0, 3)))] for _ in range(2)]
    scope = {"name": "s", "attributes": draw(attributes(TEXTS))}
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": draw(attributes(keys))},
                "scopeSpans": [{"scope": scope, "spans": each} for each in spans],
                "schemaUrl": draw(TEXTS),
            }
        ]
    }


def to_protobuf(export: dict[str, Any]) -> bytes:
    def encode(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: base64.b64encode(bytes.fromhex(inner)).decode()
                if name in ("traceId", "spanId")
                else encode(inner)
                for name, inner in value.items()
            }
        return [encode(each) for each in value] if isinstance(value, list) else value

    return bytes(ParseDict(encode(export), ExportTraceServiceRequest()).SerializeToString())


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)  # noqa: S311
    while data:
        size = chance.choice([1, 2, 3, 7, 50, 1000])
        yield data[:size]
        data = data[size:]


def read(reader: Any, body: bytes, seed: int = 0) -> None:
    for piece in cut(body, seed):
        reader.feed(piece)
    reader.finish()


def traces_of(message: ExportTraceServiceRequest) -> set[str]:
    return {
        f"tr-{each.hex()}"
        for resource_spans in message.resource_spans
        for scope_spans in resource_spans.scope_spans
        for span in scope_spans.spans
        for each in (span.trace_id, *(link.trace_id for link in span.links))
    }


def keys_of(message: ExportTraceServiceRequest) -> set[str]:
    return {
        attribute.key
        for resource_spans in message.resource_spans
        for where in (
            resource_spans.resource,
            *(span for scope in resource_spans.scope_spans for span in scope.spans),
        )
        for attribute in where.attributes
    }


@given(exports(), st.integers())
def test_every_trace_is_seen_in_either_form_however_it_is_cut(
    export: dict[str, Any], seed: int
) -> None:
    body = to_protobuf(export)
    expected = traces_of(ExportTraceServiceRequest.FromString(body))
    for reader, text in ((ProtobufReader, body), (JsonReader, json.dumps(export).encode())):
        found = Export(wants_values=True)
        read(reader(found), text, seed)
        assert {each for each in found.traces if len(each) == len("tr-") + 32} >= expected
        passing = Export(wants_values=False)
        if reader is ProtobufReader:
            read(ProtobufReader(passing), text, seed)
            assert not passing.traces


@pytest.mark.parametrize("wants_values", [False, True])
@given(exports(KEYS | st.sampled_from(LOCATIONS)), st.integers())
def test_a_location_is_found_as_a_name_alone(
    wants_values: bool, export: dict[str, Any], seed: int
) -> None:
    """Texts, and names within values, of events, links and scopes, are no tags of the trace."""
    body = to_protobuf(export)
    bad = not keys_of(ExportTraceServiceRequest.FromString(body)).isdisjoint(LOCATIONS)
    with pytest.raises(NamesMisplacedError) if bad else contextlib.nullcontext():
        read(ProtobufReader(Export(wants_values=wants_values)), body, seed)
    if wants_values:
        with pytest.raises(NamesMisplacedError) if bad else contextlib.nullcontext():
            read(JsonReader(Export(wants_values=True)), json.dumps(export).encode(), seed)


@given(exports(), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
@settings(max_examples=300)
def test_what_is_broken_names_no_less_than_protobuf_reads(
    export: dict[str, Any], changes: list[tuple[int, int]]
) -> None:
    """Whatever the bytes: they are refused, or every trace in them is seen."""
    body = bytearray(to_protobuf(export))
    for at, value in changes:
        if body:
            body[at % len(body)] = value
    compare(bytes(body))


@given(st.binary(max_size=200))
@example(b"\x0a\x02\x12\x00")
@example(b"\x8a\x00\x04\x12\x02\x12\x00")
@example(b"\x0b\x0c")
def test_any_bytes_name_no_less_than_protobuf_reads(body: bytes) -> None:
    compare(body)


def compare(body: bytes) -> None:
    try:
        message = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return  # nothing is executed
    export = Export(wants_values=True)
    try:
        read(ProtobufReader(export), body, len(body))
    except NamesMisplacedError:
        return
    except ProtocolError:
        return
    assert traces_of(message) - {"tr-"} <= set(export.traces)


def varint(number: int, padding: int = 0) -> bytes:
    out = bytearray()
    while True:
        out.append(number & 0x7F | 0x80)
        number >>= 7
        if not number:
            break
    out += b"\x80" * padding
    out[-1] &= 0x7F
    return bytes(out)


def field(number: int, value: bytes, padding: int = 0) -> bytes:
    return varint(number << 3 | 2, padding) + varint(len(value), padding) + value


def export_of(attribute: bytes, *, padding: int = 0, in_resource: bool = False) -> bytes:
    span = field(1, ID) + field(2, ID[:8])
    if in_resource:
        resource = field(1, attribute, padding)
        return field(1, field(1, resource) + field(2, field(2, span)))
    span += field(9, attribute, padding)
    return field(1, field(2, field(2, span, padding), padding), padding)


KEY = b"mlflow.traceTag.mlflow.artifactLocation"


@pytest.mark.parametrize("in_resource", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize(
    "attribute",
    [
        field(1, KEY) + field(2, field(1, b"/etc")),
        field(2, field(1, b"/etc")) + field(1, KEY),
        field(1, KEY),
        field(15, b"\x12\x29") + field(1, KEY),  # before it what could be a value's head
        field(2, b"") + field(1, KEY) + b"\x78\x01",
    ],
)
def test_no_spelling_hides_a_name(attribute: bytes, padding: int, in_resource: bool) -> None:
    body = export_of(attribute, padding=padding, in_resource=in_resource)
    message = ExportTraceServiceRequest.FromString(body)
    assert keys_of(message) == {KEY.decode()}
    for seed in range(20):
        with pytest.raises(NamesMisplacedError):
            read(ProtobufReader(Export(wants_values=False)), body, seed)


@pytest.mark.parametrize(
    "body",
    [
        export_of(field(1, b"a") + field(1, KEY)),
        export_of(field(1, KEY[:3]))[:-1],
        export_of(b"\x0b" + field(1, KEY) + b"\x0c"),
        field(1, field(2, field(2, field(1, ID) + field(1, ID[::-1]) + field(2, b"a")))),
        field(1, field(2, field(2, field(1, ID[:-1])))),
        field(1, field(2, field(2, field(2, ID)))),
        b"\x00\x00",
        b"\x0a\xff\xff\xff\xff\x7f",
        b"\x0a" + b"\x80" * 11 + b"\x00",
        b"\x08" + b"\x80" * 11 + b"\x00",
        field(1, b"\x12\x05"),
    ],
)
def test_what_could_hide_something_is_refused(body: bytes) -> None:
    for seed in range(5):
        with pytest.raises(ProtocolError):
            read(ProtobufReader(Export(wants_values=True)), body, seed)


def test_ids_in_attributes_are_named() -> None:
    run, model, other = "a" * 32, "m-" + "b" * 32, "tr-" + "c" * 32
    pairs = {
        "mlflow.sourceRun": run,
        "mlflow.traceTag.mlflow.sourceRun": f'"{run[::-1]}"',
        "mlflow.modelId": model,
        "mlflow.experimentId": '"7"',
        "mlflow.gateway.linkedTraceId": f'"{other}"',
        "mlflow.traceRequestId": "\u4e00",
        "mlflow.spanInputs": "x" * 10_000,
    }
    found = Export(wants_values=True)
    items = [field(1, k.encode()) + field(2, field(1, v.encode())) for k, v in pairs.items()]
    span = field(1, ID) + b"".join(field(9, each) for each in items)
    read(ProtobufReader(found), field(1, field(2, field(2, span))))
    assert found.message() == {
        "trace_ids": [f"tr-{ID.hex()}", other],
        "experiment_ids": ["7"],
        "run_ids": [run],
        "model_ids": [model],
    }


# --- JSON ------------------------------------------------------------------------------------


def scan(body: bytes, seed: int = 0) -> None:
    read(JsonScan(Export(wants_values=False)), body, seed)


def as_json(key: str, value: str = "x") -> dict[str, Any]:
    attribute = {"key": key, "value": {"stringValue": value}}
    span = {"traceId": ID.hex(), "spanId": ID[:8].hex(), "attributes": [attribute]}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def escaped(text: str, every: int) -> str:
    return "".join(
        f"\\u{ord(each):04x}" if at % every == 0 else each for at, each in enumerate(text)
    )


@given(
    st.sampled_from(LOCATIONS),
    st.integers(1, 9),
    st.sampled_from(["", " ", "\n\t ", " " * 9000]),
    st.integers(),
    st.booleans(),
)
@settings(max_examples=60)
def test_a_location_is_found_in_json_that_passes(
    key: str, every: int, space: str, seed: int, escape: bool
) -> None:
    name = escaped("key", every) if escape else "key"
    written = escaped(key, every) if escape else key
    body = json.dumps(as_json("KEY")).replace('"key": "KEY"', f'"{name}"{space}:{space}"{written}"')
    assert json.loads(body) == as_json(key)
    with pytest.raises(NamesMisplacedError):
        scan(body.encode(), seed)
    with pytest.raises(NamesMisplacedError):
        read(JsonReader(Export(wants_values=True)), body.encode(), seed)


@pytest.mark.parametrize("text", [*LOCATIONS, json.dumps({"key": LOCATIONS[0]}), '\\"key":"'])
def test_a_text_is_no_name(text: str) -> None:
    for seed in range(5):
        scan(json.dumps(as_json("note", text)).encode(), seed)
        scan(json.dumps(as_json("note", text), ensure_ascii=False, indent=2).encode(), seed)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_json_is_utf_8(encoding: str) -> None:
    body = json.dumps(as_json(LOCATIONS[0])).encode(encoding)
    assert json.loads(body)
    for reader in (JsonScan, JsonReader):
        with pytest.raises(ProtocolError):
            read(reader(Export(wants_values=reader is JsonReader)), body, 1)


@pytest.mark.parametrize(
    "body",
    [
        {"resource_spans": []},
        {"resourceSpans": [{"scope_spans": []}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"trace_id": "AA=="}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "AA" * 15}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a " * 32}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]},
        {"resourceSpans": {}},
        {"resourceSpans": [7]},
        {"ResourceSpans": []},
        [],
    ],
)
def test_json_that_could_be_read_in_two_ways_is_refused(body: Any) -> None:
    with pytest.raises(ProtocolError):
        read(JsonReader(Export(wants_values=True)), json.dumps(body).encode())


def test_a_field_given_twice_is_refused() -> None:
    body = b'{"resourceSpans":[],"resourceSpans":[]}'
    with pytest.raises(ProtocolError):
        read(JsonReader(Export(wants_values=True)), body)


def test_long_json_is_refused_with_the_limit() -> None:
    with pytest.raises(ProtocolError, match="512 KiB") as caught:
        read(JsonReader(Export(wants_values=True)), b" " * (MOST_BYTES + 1))
    assert caught.value.reason is Reason.BODY_TOO_LARGE


# --- the coding ------------------------------------------------------------------------------


def inflate(coding: bytes, body: bytes, seed: int = 0, limit: int = 1 << 30) -> bytes:
    inflater = Inflater(coding, limit)
    out = []
    for piece in cut(body, seed):
        inflater.feed(piece)
        while made := inflater.step():
            out.append(made)
    inflater.finish()
    return b"".join(out)


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


CODERS = [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"deflate", raw_deflate)]


@pytest.mark.parametrize(("coding", "coder"), CODERS)
@given(st.binary(max_size=2000), st.integers())
def test_what_is_compressed_comes_out_as_it_was(
    coding: bytes, coder: Any, data: bytes, seed: int
) -> None:
    body = coder(data)
    assert decompress_otlp_body(body, coding.decode()) == data
    assert inflate(coding, body, seed) == data


@given(
    st.sampled_from(CODERS),
    st.binary(max_size=60),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
    st.binary(max_size=4),
)
@settings(max_examples=500)
@example((b"deflate", zlib.compress), b"a", [(-1, 0)], b"")
def test_what_is_broken_inflates_to_what_mlflow_reads_or_not_at_all(
    how: tuple[bytes, Any], data: bytes, changes: list[tuple[int, int]], more: bytes
) -> None:
    coding, coder = how
    body = bytearray(coder(data) + more)
    for at, value in changes:
        body[at % len(body)] = value
    try:
        made = inflate(coding, bytes(body), len(body))
    except ProtocolError:
        return
    try:
        read_by_mlflow = decompress_otlp_body(bytes(body), coding.decode())
    except HTTPException:
        return
    assert made == read_by_mlflow


def test_a_body_that_is_broken_as_zlib_and_whole_as_bare_deflate_is_refused() -> None:
    """MLflow reads such a one for the second time."""
    first, second = b"harmless", b"the other one"
    # As bare deflate, 78 01 xx is the head of a stored block of 1 + 256 * xx bytes.
    engine = zlib.compressobj(0)
    good = engine.compress(first) + engine.flush()
    assert good[:2] == b"\x78\x01"
    length = 0x01 | good[2] << 8
    head = b"\x78\x01" + bytes([good[2]]) + (length ^ 0xFFFF).to_bytes(2, "little")
    stored = len(second).to_bytes(2, "little") + (len(second) ^ 0xFFFF).to_bytes(2, "little")
    body = head + b"\0" * length + b"\x01" + stored + second
    assert decompress_otlp_body(body, "deflate").endswith(second)
    with pytest.raises(ProtocolError):
        inflate(b"deflate", body)


def test_a_bomb_is_refused_after_a_bounded_part_of_it() -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024))
    inflater = Inflater(b"deflate", 1 << 30)
    inflater.feed(bomb)
    made: list[int] = []
    with pytest.raises(ProtocolError, match="200 times") as caught:
        made.extend(map(len, iter(inflater.step, b"")))
    assert sum(made) <= max(FREE, MOST_TIMES * len(bomb))
    assert max(made) <= STEP
    assert caught.value.reason is Reason.BODY_TOO_LARGE
    with pytest.raises(ProtocolError, match="1000 bytes"):
        inflate(b"deflate", zlib.compress(bytes(2000)), limit=1000)


@pytest.mark.parametrize("coding", [b"identity", b"br", b"gzip, gzip", b"GZIP"])
def test_no_other_coding_is_known(coding: bytes) -> None:
    with pytest.raises(ProtocolError):
        Inflater(coding, 1)


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (b"application/x-protobuf", b"application/x-protobuf"),
        (b"application/json; charset=utf-8", b"application/json"),
        (b"application/json ;x", b"application/json"),
        (b"Application/JSON", b""),
        (b"application/json\xa0", b""),
        (b"text/plain", b""),
        (b"", b""),
    ],
)
def test_the_media_type_is_mlflows(content_type: bytes, media: bytes) -> None:
    assert media_type(content_type) == media


def test_location_tags_are_in_lower_case() -> None:
    assert {each.lower() for each in LOCATION_TAGS} == LOCATION_TAGS


# --- bounds of what an export names ----------------------------------------------------------


def test_an_export_names_a_bounded_number_of_objects() -> None:
    found = Export(wants_values=True)
    for number in range(1000):
        found.on_trace(f"{number:032x}")
    with pytest.raises(ProtocolError, match="it names more than 1000"):
        found.on_trace("f" * 32)


@pytest.mark.parametrize(("value", "runs"), [('"broken', ['"broken']), ('""', []), ('"a"', ["a"])])
def test_a_value_may_be_json_within_a_text(value: str, runs: list[str]) -> None:
    found = Export(wants_values=True)
    found.on_value("mlflow.sourceRun", value)
    assert found.message()["run_ids"] == runs


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"traceId": "x"}, "32 hexadecimal digits"),
        ({"traceId": ID.hex(), "attributes": [{"key": 1}]}, "is no text"),
        ({"traceId": ID.hex(), "attributes": {}}, "no list where one is due"),
        ({"traceId": ID.hex(), "attributes": [1]}, "no object where one is due"),
        ({"trace_id": ID.hex()}, "not the name that OTLP gives it"),
    ],
)
def test_json_in_another_shape_is_refused(span: dict[str, Any], message: str) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    with pytest.raises(ProtocolError, match=message):
        read(JsonReader(Export(wants_values=True)), body)


def test_json_names_traces_links_and_values() -> None:
    attributes = [
        {"key": "mlflow.sourceRun", "value": {"stringValue": "r"}},
        {"key": "mlflow.sourceRun", "value": {"intValue": 1}},
        {"key": "mlflow.modelId", "value": {"stringValue": "m" * 10_000}},
        {"key": "other", "value": {"stringValue": "x"}},
    ]
    links = [{"traceId": ID[::-1].hex()}, {"traceId": ""}]
    span = {"traceId": ID.hex(), "attributes": attributes, "links": links}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    found = Export(wants_values=True)
    read(JsonReader(found), body)
    assert found.message() == {
        "trace_ids": [f"tr-{ID.hex()}", f"tr-{ID[::-1].hex()}"],
        "experiment_ids": [],
        "run_ids": ["r"],
        "model_ids": [],
    }


def test_an_escape_that_is_none_is_left_to_mlflow() -> None:
    scan(b'{"key": "a\\x"}')


@pytest.mark.parametrize(
    "body",
    [
        field(1, field(2, field(2, field(1, ID * 2)))),  # an id that is too long
        field(1, field(2, field(2, field(1, ID * 1000)))),
        b"\x0a" + b"\xff" * 9 + b"\x7f",  # a length of more than 63 bits
        field(1, field(2, field(2, field(1, ID) + field(9, field(1, b"\xff"))))),  # no UTF-8
        export_of(field(1, b"a" * 2000) + field(1, b"b")),  # a long name, and another
    ],
)
def test_lengths_that_fit_nothing_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(ProtobufReader(Export(wants_values=True)), body)


def test_long_names_and_values_are_passed_over() -> None:
    long = field(1, b"a" * 2000) + field(2, field(1, b"x"))
    valued = field(1, b"mlflow.sourceRun") + field(2, field(1, b"x" * 100_000))
    span = field(1, ID) + field(9, long) + field(9, valued) + field(13, field(1, b""))
    found = Export(wants_values=True)
    read(ProtobufReader(found), field(1, field(2, field(2, span))))
    assert found.message()["run_ids"] == []


def test_more_names_than_are_remembered_are_read_alike() -> None:
    items = b"".join(field(9, field(1, f"key {number}".encode())) for number in range(5000))
    found = Export(wants_values=False)
    read(ProtobufReader(found), field(1, field(2, field(2, field(1, ID) + items))))
    assert found.message()["trace_ids"] == []


def test_an_export_without_values_names_nothing() -> None:
    found = Export(wants_values=False)
    read(ProtobufReader(found), field(1, field(2, field(2, field(1, ID)))))
    assert found.message()["trace_ids"] == []
