"""The common responses of a ``RecordingUpstream``, as scripts to name in a test."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from tests.support.raw import chunk
from tests.support.recording_upstream import Exchange, Script


def response_bytes(
    body: bytes = b"", *fields: str, status: int = 200, content_type: str = "application/json"
) -> bytes:
    """Build a whole response with ``Content-Length`` and the given ``"Name: value"`` fields."""
    return (
        _head(status, f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *fields)
        + body
    )


def fixed(body: bytes = b"{}", *fields: str, status: int = 200) -> Script:
    """Read the whole request, then give one fixed response."""
    return raw(response_bytes(body, *fields, status=status))


def raw(response: bytes) -> Script:
    """Read the whole request, then send ``response`` as it is, right or wrong."""

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(response)

    return script


def held(event: threading.Event, script: Script) -> Script:
    """Read the whole request, then go on with ``script`` only after the test sets ``event``."""

    def hold(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.wait_for(event)
        script(exchange)

    return hold


def early(response: bytes) -> Script:
    """Send ``response`` before a byte of the body is read, then read the body."""

    def script(exchange: Exchange) -> None:
        exchange.send(response)
        exchange.read_body()

    return script


def chunks(parts: Iterable[bytes], *fields: str) -> Script:
    """Read the whole request, then answer in chunks, one for each part."""
    return gated_chunks([(_set(), part) for part in parts], *fields)


def gated_chunks(parts: Iterable[tuple[threading.Event, bytes]], *fields: str) -> Script:
    """Answer in chunks, each sent only after the test sets its event; for server-sent events."""
    gated = list(parts)

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(_head(200, "Transfer-Encoding: chunked", *fields))
        for event, part in gated:
            exchange.wait_for(event)
            exchange.send(chunk(part))
        exchange.send(chunk(b""))

    return script


def broken_off(sent: bytes = b"") -> Script:
    """Read the whole request, send ``sent`` and reset the connection."""

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(sent)
        exchange.reset()

    return script


def closed(sent: bytes = b"") -> Script:
    """Read the whole request, send ``sent`` and close the connection in order."""

    def script(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.send(sent)
        exchange.close()

    return script


def routed(routes: Mapping[bytes, Script], otherwise: Script) -> Script:
    """Answer each target by its own script; ``routes`` may change between requests."""

    def script(exchange: Exchange) -> None:
        target = exchange.request.request_line.split(b" ")[1]
        routes.get(target, otherwise)(exchange)

    return script


def silent(exchange: Exchange) -> None:
    """Read the whole request and stay silent until the gate gives the connection up."""
    exchange.read_body()
    exchange.wait_for_disconnect()


def _head(status: int, *fields: str) -> bytes:
    lines = (f"HTTP/1.1 {status} Scripted", *fields)
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
