"""The connection to a collector: one HTTP/1.1 request after the other.

Redirects are not followed, and no proxy is used: credentials go to the place that the configuration
names, and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from headgate import __version__
from headgate.tasks import FairTimeout
from headgate.wire.errors import ProtocolError
from headgate.wire.head import END
from headgate.wire.response import Response, read_response

MOST_HEAD_BYTES: Final = 32 * 1024
MOST_BODY_BYTES: Final = 256 * 1024
"""More than any response has that a collector sends."""
MOST_FIELDS: Final = 100
MOST_INTERIM: Final = 3
IDLE_SECONDS: Final = 30.0
"""After that a connection is not used again; many servers close one after a minute."""
_PIECE: Final = 64 * 1024


class Reply(NamedTuple):
    """What a collector responded; ``lines`` are its header lines."""

    status: int
    lines: bytes
    media_type: bytes
    body: bytes

    def field(self, name: bytes) -> str:
        """The value of a header field; empty where there is none."""
        for line in self.lines.split(b"\r\n"):
            found, _, value = line.partition(b":")
            if found.strip().lower() == name:
                return value.strip().decode("latin-1")
        return ""


class Unreachable(Exception):  # noqa: N818 - what it says of the collector
    """There is no response; the message says why."""


class BadResponse(Exception):  # noqa: N818 - what it says of the response
    """What came is not HTTP, or far too much of it."""


class Collector:
    """Where exports are sent.  One request at a time.

    Args:
        endpoint: the base URL, without a slash at its end.
        context: for ``https``.
        fields: header fields to send, which may be secret.
        timeout: seconds for one request, from the connection to the end of the reply.
    """

    def __init__(
        self,
        endpoint: str,
        context: ssl.SSLContext | None,
        fields: Sequence[tuple[str, str]],
        timeout: float,
    ) -> None:
        parts = urlsplit(endpoint)
        self.endpoint = endpoint
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._base = parts.path.encode("ascii")
        self._context = context
        self._timeout = timeout
        lines = [("Host", parts.netloc), ("User-Agent", f"headgate/{__version__}"), *fields]
        lines += [("Content-Type", "application/x-protobuf"), ("Accept-Encoding", "identity")]
        self._lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in lines)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._idle_since = 0.0

    def __repr__(self) -> str:
        return f"Collector({self.endpoint!r})"

    async def post(self, path: str, body: bytes, *, is_gzip: bool) -> Reply:
        """Send a request and wait for its reply.

        Raises:
            Unreachable: there is none.
            BadResponse: it is none of HTTP's.
        """
        coding = b"Content-Encoding: gzip\r\n" if is_gzip else b""
        head = b"POST %b%b HTTP/1.1\r\n%bContent-Length: %d\r\n%b\r\n" % (
            self._base,
            path.encode("ascii"),
            self._lines,
            len(body),
            coding,
        )
        try:
            async with FairTimeout(self._timeout):
                return await self._exchange(head + body)
        except TimeoutError:
            self.close()
            raise Unreachable(f"no response within {self._timeout:g} s") from None
        except (BadResponse, Unreachable, asyncio.CancelledError):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        if self._streams is not None and loop.time() - self._idle_since > IDLE_SECONDS:
            self.close()
        if self._streams is not None:
            with contextlib.suppress(_Closed):  # it was kept for too long, which says nothing
                return await self._exchange_on(self._streams, request)
            self.close()
        try:
            self._streams = await asyncio.open_connection(
                self._host,
                self._port,
                ssl=self._context,
                server_hostname=self._host if self._context is not None else None,
                limit=MOST_HEAD_BYTES,
            )
        except (OSError, UnicodeError) as error:  # the latter: a name that DNS cannot have
            raise Unreachable(_words(error)) from None
        return await self._exchange_on(self._streams, request)

    async def _exchange_on(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes
    ) -> Reply:
        reader, writer = streams
        writer.write(request)
        try:
            # A server may respond before it has read everything, and close then.
            with contextlib.suppress(OSError):
                await writer.drain()
            response = await _response(reader)
            body = await _body(reader, response)
        except OSError as error:
            raise Unreachable(_words(error)) from None
        if response.close or not response.delimited:
            self.close()
        else:
            self._idle_since = asyncio.get_running_loop().time()
        return Reply(response.status, response.lines, response.media_type, body)


class _Closed(Unreachable):
    """The connection was closed before anything of a response came."""


async def _response(reader: asyncio.StreamReader) -> Response:
    for _ in range(MOST_INTERIM):
        try:
            block = await reader.readuntil(END)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Unreachable("the response broke off") from None
            raise _Closed("the connection was closed without a response") from None
        except asyncio.LimitOverrunError:
            raise BadResponse(f"the head of the response is over {MOST_HEAD_BYTES} bytes") from None
        except ConnectionError as error:
            raise _Closed(_words(error)) from None
        try:
            response = read_response(block, b"POST", MOST_FIELDS)
        except ProtocolError as error:
            raise BadResponse(error.message) from None
        if response.status >= 200:
            return response
    raise BadResponse("there are only interim responses")


async def _body(reader: asyncio.StreamReader, response: Response) -> bytes:
    found = bytearray()
    body = response.body
    while not body.done:
        piece = await reader.read(_PIECE)
        if not piece:
            if response.delimited or not response.close:
                raise Unreachable("the response broke off")
            break
        try:
            payload, used = body.feed(piece)
        except ProtocolError as error:
            raise BadResponse(error.message) from None
        for each in payload:
            found += each
        if len(found) > MOST_BODY_BYTES:
            raise BadResponse(f"the response is over {MOST_BODY_BYTES} bytes")
        if used < len(piece):
            response.close = True  # more came than was asked for
    return bytes(found)


def _words(error: Exception) -> str:
    """Why there is no connection, in the system's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
