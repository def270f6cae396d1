"""A small blocking HTTP/1.1 client that sends exactly the bytes it is given.

It shares no code with the gate, so that a mistake of the gate's parser cannot hide itself, and
it is strict: a response that is not plain HTTP/1.1 fails the test.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace

from tests.support.byte_stream import WAIT_SECONDS, ByteStream


class ResponseError(AssertionError):
    """The peer's bytes are not an HTTP/1.1 response."""


@dataclass(frozen=True)
class RawResponse:
    """One response: its head exactly as received, and its body without chunk framing."""

    status: int
    head: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of the header ``name``, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The single value of the header ``name``, or ``None`` without one.

        Raises:
            AnswerError: when the header stands there more than once.
        """
        values = self.all(name)
        if len(values) > 1:
            raise ResponseError(f"{name} stands {len(values)} times in {self.head!r}")
        return values[0] if values else None


class RawClient(ByteStream):
    """A connection to the server at ``host`` and ``port``; each read waits ``seconds`` at most.

    ``source`` is the address that it comes from, such as another one of 127.0.0.0/8.
    """

    def __init__(
        self, host: str, port: int, seconds: float = WAIT_SECONDS, source: str = ""
    ) -> None:
        own = (source, 0) if source else None
        super().__init__(
            socket.create_connection((host, port), timeout=seconds, source_address=own)
        )

    def response(self, method: str = "GET") -> RawResponse:
        """Read one whole response to a request of ``method``; interim (1xx) ones are passed over.

        Raises:
            AnswerError: when it is not HTTP/1.1.
            ClosedError: when the connection closes inside it.
        """
        while (response := self.response_head()).status < 200:
            continue
        if method == "HEAD" or response.status in (204, 304):
            return response
        return replace(response, body=self._body(response))

    def response_head(self) -> RawResponse:
        """Read one response's head, interim or final, and leave its body unread.

        Raises:
            AnswerError: when it is not HTTP/1.1.
            ClosedError: when the connection closes inside it.
        """
        return head_of(self.receive_until(b"\r\n\r\n"))

    def chunk(self) -> bytes:
        """Read one chunk of a chunked body; ``b""`` is its end, trailers included.

        Raises:
            AnswerError: when the framing is broken.
        """
        line = self.receive_until(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise ResponseError(f"not a chunk size: {line!r}") from None
        if size == 0:
            while self.receive_until(b"\r\n") != b"\r\n":
                continue  # a trailer field
            return b""
        data = self.receive(size)
        if self.receive(2) != b"\r\n":
            raise ResponseError("a chunk does not end where its size says")
        return data

    def expect_close(self) -> None:
        """Wait for the peer to end the connection, in order or by reset.

        Raises:
            AnswerError: when it sends a byte instead.
        """
        try:
            data = self.receive_some(1000)
        except ConnectionError:
            return
        if data:
            raise ResponseError(f"more bytes instead of the end: {data!r}")

    def _body(self, response: RawResponse) -> bytes:
        coding, length = response.get("transfer-encoding"), response.get("content-length")
        if coding is not None and length is not None:
            raise ResponseError(f"both framings in one response: {response.head!r}")
        if coding is not None:
            return b"".join(iter(self.chunk, b""))
        return self.receive(int(length)) if length is not None else self.receive_to_end()


def ask(
    host: str,
    port: int,
    method: str,
    target: str,
    *fields: str,
    body: bytes = b"",
    called: str | None = None,
) -> RawResponse:
    """Send one request on a connection of its own and return the response.

    ``fields`` are ``"Name: value"``; a ``body`` goes with its length; ``called`` is what ``Host``
    says, if not the address.
    """
    if body:
        fields = (*fields, f"Content-Length: {len(body)}")
    with RawClient(host, port) as client:
        called = f"{host}:{port}" if called is None else called
        client.send(request_head(method, target, *fields, host=called) + body)
        return client.response(method)


def head_of(head: bytes) -> RawResponse:
    """Read a response's head, up to and including its empty line.

    Raises:
        AnswerError: when it is not HTTP/1.1.
    """
    status_line, *fields = head[:-4].decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if version != "HTTP/1.1" or not rest[:3].isdigit():
        raise ResponseError(f"not the head of an HTTP/1.1 response: {head!r}")
    return RawResponse(int(rest[:3]), head, tuple(_field(line) for line in fields))


def request_head(method: str, target: str, *fields: str, host: str = "gate.example") -> bytes:
    """Build a request head from its target and ``"Name: value"`` fields."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", *fields)
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


def chunk(data: bytes) -> bytes:
    """Frame one chunk (RFC 9112 section 7.1); of no data, that is the end of the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(*parts: bytes) -> bytes:
    """Frame ``parts`` as a whole chunked body."""
    return b"".join(chunk(part) for part in (*parts, b""))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ResponseError(f"not a header field: {line!r}")
    return name, value.strip(" \t")
