"""HTTP messages for scripts: written shortly, and taken apart again."""

from __future__ import annotations

from typing import NamedTuple, Self

HOST = "Host: gate.example"


def request(line: str, *fields: str, body: bytes = b"", minor: int = 1) -> bytes:
    """A request with ``fields``; a ``body`` gets its Content-Length unless a field frames it."""
    lines = [f"{line} HTTP/1.{minor}", HOST, *fields]
    return _message(lines, body)


def response(status: int, *fields: str, body: bytes = b"", minor: int = 1) -> bytes:
    """A response with ``fields``; gets a Content-Length unless a field frames it."""
    lines = [f"HTTP/1.{minor} {status} Any", *fields]
    if not body and not _framed(lines):
        lines.append("Content-Length: 0")
    return _message(lines, body)


def chunked(*pieces: bytes) -> bytes:
    """A whole body in the chunked coding."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _message(lines: list[str], body: bytes) -> bytes:
    if body and not _framed(lines):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _framed(lines: list[str]) -> bool:
    names = {line.partition(":")[0].lower() for line in lines[1:]}
    return bool(names & {"content-length", "transfer-encoding"})


class Message(NamedTuple):
    """A message taken apart: its first line, its fields, and all that follows its head."""

    line: bytes
    fields: dict[bytes, bytes]
    rest: bytes

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Take ``data`` apart; field names are lower-cased.

        Raises:
            ValueError: there is no whole head in it.
        """
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            raise ValueError(f"no whole head in {data!r}")
        line, *others = head.split(b"\r\n")
        fields = (other.split(b": ", 1) for other in others)
        return cls(line, {name.lower(): value for name, value in fields}, rest)
