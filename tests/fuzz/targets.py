"""What is fuzzed.  Each target takes any bytes and tells in a few words what became of them.

``ProtocolError`` is an outcome like any other.  Any other exception is a defect, and so is an
``AssertionError``: what must hold for all that is accepted is asserted here.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit

from headgate.contract.otlp import Export, NamesMisplacedError
from headgate.contract.otlp_json import JsonScan
from headgate.contract.otlp_protobuf import ProtobufReader
from headgate.wire.body import BodyReader, ChunkedBody, CountedBody
from headgate.wire.errors import ProtocolError
from headgate.wire.forward import request_head
from headgate.wire.head import END
from headgate.wire.location import public_location
from headgate.wire.origin import origin_of
from headgate.wire.proxy_header import ProxyHeaderError, ProxyHeaderReader
from headgate.wire.request import Request, read_request, request_id
from headgate.wire.request_fields import CHUNKED
from headgate.wire.response import read_response
from headgate.wire.target import canonicalise
from tests.fuzz.tokens import token
from tests.support.proxy_headers import line as proxied

MAX_FIELDS = 50
INTERNAL = frozenset({"127.0.0.1:5000"})
TRUSTED = (ipaddress.ip_network("10.0.0.0/8"),)

Target = Callable[[bytes], str]


def request(data: bytes) -> str:
    """A request: its head, its body, and the head that would be sent on for it."""
    block, following = first_head(data)
    found = read_request(block, MAX_FIELDS)
    fields = found.fields
    for later in (block, first_head(following)[0], block.replace(b"5", b"6")):
        assert meaning(later, found) == meaning(later, None)
    fields.origin = origin_of(fields.values, "10.0.0.1", "http", TRUSTED)
    where = canonicalise(found.target, fields.host)
    length = 5 if found.method not in (b"GET", b"HEAD") else 0
    sent = request_head(
        found,
        found.method,
        where.path + where.query,
        b"127.0.0.1:5000",
        request_id(fields) or b"0" * 8,
        length,
        fields.trace,
    )
    forwarded = read_request(sent, 2 * MAX_FIELDS)
    assert forwarded.target == where.path + where.query
    assert forwarded.fields.length == length
    assert forwarded.fields.host == b"127.0.0.1:5000"
    assert (forwarded.fields.lines, forwarded.fields.trace) == (fields.lines, fields.trace)
    body: BodyReader = ChunkedBody() if fields.length == CHUNKED else CountedBody(fields.length)
    return f"{found.method!r} {found.minor} {fields.close} {feed(body, following)}"


def response(data: bytes) -> str:
    """A response, to a method that its first byte chooses."""
    method = (b"GET", b"HEAD", b"POST")[data[0] % 3] if data else b"GET"
    block, following = first_head(data[1:])
    for later in (block, first_head(following)[0], block.replace(b"5", b"6")):
        assert shown(later, method, block) == shown(later, method, None)
    found = read_response(block, method, MAX_FIELDS)
    assert found.lines == b"" or found.lines.endswith(b"\r\n")
    assert b"\n" not in found.lines.replace(b"\r\n", b"")
    assert not found.lines.lower().startswith((b"transfer-encoding:", b"connection:"))
    described = f"{found.status // 100} {found.length is None} {found.delimited} {found.close}"
    return f"{described} {type(found.body).__name__} {feed(found.body, following)}"


def chunked(data: bytes) -> str:
    """A chunked body, whole and byte by byte."""
    outcomes = []
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        body = ChunkedBody()
        try:
            taken = [part for piece in pieces for part in body.feed(piece)[0]]
        except ProtocolError as error:
            outcomes.append((refusal(error), b""))
        else:
            assert all(taken)
            outcomes.append((f"done: {body.done}", b"".join(taken)))
    assert outcomes[0] == outcomes[1]
    return outcomes[0][0]


def target(data: bytes) -> str:
    """A request target, against a Host that its first line may give."""
    host, _, sent = data.rpartition(b"\n")
    found = canonicalise(sent, host or b"gate.example")
    assert canonicalise(found.path + found.query, host) == found
    return f"{found.path == sent} {bool(found.query)}"


def location(data: bytes) -> str:
    """What MLflow may say in Location."""
    public = public_location(data, INTERNAL, "https://gate.example", "/mlflow")
    if public is None:
        return "hidden"
    leads_to = urlsplit(urljoin("https://gate.example/mlflow/x", public.decode("ascii")))
    assert leads_to.hostname not in ("127.0.0.1", "localhost", None)
    return "as it was" if public == data else "rewritten"


def proxy_header(data: bytes) -> str:
    """A PROXY header, whole and byte by byte; written anew, what it names is the same."""
    found = [
        _proxy_header(pieces) for pieces in ([data], [data[at : at + 1] for at in range(len(data))])
    ]
    assert found[0] == found[1]
    source, used = found[0]
    if used < 0:
        return source
    if source:
        written = proxied(source, source)
        assert _proxy_header([written]) == (source, len(written))
    return f"{bool(source)} {used == len(data)}"


def _proxy_header(pieces: list[bytes]) -> tuple[str, int]:
    """What the header names and its size; -1 if it is refused, or not whole."""
    reader = ProxyHeaderReader(1024)
    used = 0
    try:
        for piece in pieces:
            if not reader.done and piece:
                used += reader.feed(piece)
    except ProxyHeaderError as error:
        return f"refused: {error.begun}", -1
    return (reader.source, used) if reader.done else ("waits", -1)


def export(data: bytes) -> str:
    """A trace export in protobuf: what it names is the same however it is cut."""
    found = [_export(ProtobufReader, data, size) for size in (len(data) or 1, 1, 7)]
    assert found[0] == found[1] == found[2]
    passing = _export(ProtobufReader, data, 5, wants_values=False)
    assert (passing == "hit") is (found[0] == "hit")
    return found[0]


def json_export(data: bytes) -> str:
    """The same in JSON, as it passes: where a tag is found in the whole, it is found in parts."""
    found = [_export(JsonScan, data, size) for size in (len(data) or 1, 1, 7)]
    try:
        json.loads(data)
    except ValueError:
        return found[0]  # MLflow refuses it, so it matters to nobody
    assert found[0] == found[1] == found[2]
    return found[0]


def _export(
    reader: type[ProtobufReader | JsonScan],
    data: bytes,
    size: int,
    *,
    wants_values: bool = True,
) -> str:
    named = Export(wants_values=wants_values)
    reading = reader(named)
    try:
        for at in range(0, len(data), size):
            reading.feed(data[at : at + size])
        reading.finish()
    except NamesMisplacedError:
        return "hit"
    except ProtocolError:
        return "refused"
    return str(named.message())


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "request": request,
        "response": response,
        "chunked": chunked,
        "proxy_header": proxy_header,
        "export": export,
        "json_export": json_export,
        "target": target,
        "token": token,
        "location": location,
    }
)


def outcome(name: str, data: bytes) -> str:
    """What became of ``data``; raises whatever is no refusal."""
    try:
        return TARGETS[name](data)
    except ProtocolError as error:
        return refusal(error)


def refusal(error: ProtocolError) -> str:
    """A refusal, which must quote nothing that could not be printed."""
    assert error.message.isascii()
    assert error.message.isprintable()
    return f"refused: {error.message} {error.status} {error.reason}"


def first_head(data: bytes) -> tuple[bytes, bytes]:
    """Up to the first empty line and past it, as a connection cuts its bytes."""
    head, _, following = data.partition(END)
    return head + END, following


def feed(body: BodyReader, data: bytes) -> str:
    """Give a body what follows its head."""
    if body.done or not data:
        return f"done: {body.done}"
    taken, used = body.feed(data)
    assert used <= len(data)
    assert body.done or used == len(data)
    return f"{bool(taken)} done: {body.done}"


def meaning(block: bytes, last: Request | None) -> tuple[object, ...]:
    """What a request head says when it comes after ``last``, for comparison."""
    try:
        found = read_request(block, MAX_FIELDS, last)
    except ProtocolError as error:
        return (refusal(error),)
    fields = found.fields
    framing = (fields.length, fields.close, fields.expects_continue)
    return (found.method, found.target, found.minor, fields.lines, fields.trace, framing)


def shown(block: bytes, method: bytes, last: bytes | None) -> tuple[object, ...]:
    """What a response's head says when it comes after the head ``last``, for comparison."""
    before = read_response(last, method, MAX_FIELDS) if last is not None else None
    try:
        found = read_response(block, method, MAX_FIELDS, before)
    except ProtocolError as error:
        return (refusal(error),)
    framing = (found.length, found.close, found.delimited, type(found.body), found.body.done)
    return (found.status, found.lines, found.location, found.media_type, framing)
