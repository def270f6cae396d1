"""Where a body ends (RFC 9112 section 6), and the chunked coding (section 7.1).

A body reader is fed what arrived and says which slices are payload, and how much of the input
was the message's: what follows belongs to the next one.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Protocol

from headgate.wire.errors import ProtocolError

MAX_CHUNK_LINE: Final = 4096
MAX_TRAILERS: Final = 16 * 1024
LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
# 15 hexadecimal digits stay far below 2**63.  Extensions are read over (section 7.1.1), in the
# grammar that llhttp reads too: whatever one parser passes over, another could take for framing.
_SIZE_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;%b(?:=(?:%b|%b))?)*" % (_TOKEN, _TOKEN, _QUOTED)
)
# A trailer must not frame anything (RFC 9110 section 6.5.1).
_TRAILER: Final = re.compile(
    rb"(?!(?i:content-length|transfer-encoding):)%b:[\t -~\x80-\xff]*" % _TOKEN
)


class BodyReader(Protocol):
    """Finds the end of one body."""

    done: bool

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Take what arrived: the payload in it, and how many of its bytes were this body's.

        Raises:
            ProtocolError: when the framing is broken.
        """


class CountedBody:
    """A body of known length."""

    __slots__ = ("done", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Take at most what remains."""
        size = len(data)
        remaining = self.remaining
        if size < remaining:
            self.remaining = remaining - size
            return [data], size
        self.remaining = 0
        self.done = True
        if size == remaining:
            return [data], size
        return [data[:remaining]], remaining


class UntilClose:
    """A response that ends with its connection (section 6.3, rule 8)."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Everything is payload."""
        return [data], len(data)


class _Expect(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILER = enum.auto()


class ChunkedBody:
    """The chunked coding, read strictly; extensions and trailers are dropped."""

    __slots__ = ("_expect", "_line", "_remaining", "_trailers", "done")

    def __init__(self) -> None:
        self.done = False
        self._expect = _Expect.SIZE
        self._remaining = 0
        self._line = b""  # an unfinished line
        self._trailers = 0

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """Take chunks and parts of chunks."""
        payload: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.done:
            if self._expect is _Expect.DATA:
                end = min(size, at + self._remaining)
                payload.append(data[at:end] if end - at < size else data)
                self._remaining -= end - at
                at = end
                if self._remaining == 0:
                    self._expect = _Expect.DATA_END
                continue
            line, at = self._read_line(data, at)
            if line is not None:
                self._take_line(line)
        return payload, at

    def _read_line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """One line without its CRLF, or None when it is not all there yet."""
        end = data.find(b"\n", at)
        part = data[at:] if end < 0 else data[at : end + 1]
        line = self._line + part
        if len(line) > MAX_CHUNK_LINE:
            raise ProtocolError("a line of the chunked coding is too long")
        if end < 0:
            self._line = line
            return None, len(data)
        self._line = b""
        if not line.endswith(b"\r\n"):
            raise ProtocolError("a line of the chunked coding ends in a bare LF")
        return line[:-2], end + 1

    def _take_line(self, line: bytes) -> None:
        if self._expect is _Expect.DATA_END:
            if line:
                raise ProtocolError("a chunk is longer than its size says")
            self._expect = _Expect.SIZE
        elif self._expect is _Expect.SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise ProtocolError("a chunk size is malformed")
            self._remaining = int(match[1], 16)
            self._expect = _Expect.DATA if self._remaining else _Expect.TRAILER
        elif line:
            self._trailers += len(line)
            if self._trailers > MAX_TRAILERS or _TRAILER.fullmatch(line) is None:
                raise ProtocolError("a trailer field is malformed or too long")
        else:
            self.done = True


def chunk(data: bytes) -> bytes:
    """One chunk that holds ``data``, which must not be empty: an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
