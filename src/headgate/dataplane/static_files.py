"""Static files of MLflow's page, compressed once for all clients.

MLflow sends them as they lie on its disk, megabytes of text.  Each request still goes to MLflow,
which says whether the file is there and which version of it; what is kept here is the compressed
form of that version.  The first request for one waits for it, some tenths of a second.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from headgate.wire.response import Response

KEPT_BYTES: Final = 32 * 1024 * 1024
"""What all compressed files of a worker may hold together."""
COLLECTED_BYTES: Final = 32 * 1024 * 1024
"""What files that are yet to be compressed may hold together; others are sent as they are."""
LARGEST: Final = 16 * 1024 * 1024
SMALLEST: Final = 1024
BROTLI_QUALITY: Final = 6
"""4.4 MB take 0.2 s and come to 24 %; at quality 11 it would be 10 s and 21 %."""
GZIP_LEVEL: Final = 6

BROTLI: Final = b"br"
GZIP: Final = b"gzip"
_TYPES: Final = re.compile(
    rb"text/[a-z0-9.+\-]+|image/svg\+xml|font/[ot]tf"
    rb"|application/(?:javascript|json|manifest\+json|wasm|xml|[a-z0-9.\-]+\+(?:json|xml))"
)
_ACCEPTS: Final = re.compile(rb"(?:^|\n)accept-encoding:[ \t]*+([^\r]*+)", re.IGNORECASE)
_RANGE: Final = re.compile(rb"(?:^|\n)range:", re.IGNORECASE)
_CODING: Final = re.compile(rb"([a-z0-9*\-]+)(?:;q=([01](?:\.[0-9]{0,3})?))?")
_ENCODED: Final = re.compile(rb"(?:^|\n)content-encoding:", re.IGNORECASE)
_CACHE: Final = re.compile(rb"(?:^|\n)cache-control:[^\r\n]*no-(?:store|transform)", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"(?:^|\n)content-length: ([0-9]{1,12})\r", re.IGNORECASE)
_VALIDATOR: Final = re.compile(rb"(?:^|\n)(?:etag|last-modified):[ \t]*+([^\r\n]++)", re.IGNORECASE)


class Key(NamedTuple):
    """What one compressed file is of: the bytes are the same whenever all of this is."""

    upstream: str
    version: str
    path: bytes
    validators: tuple[bytes, ...]
    length: int
    coding: bytes


class StaticFile:
    """One response that is to be sent compressed.

    ``lines``: its head, without the length.  ``body``: the compressed file, if it is kept.
    ``collects``: whether what MLflow sends is kept in ``parts``, to be compressed.
    """

    __slots__ = ("body", "collects", "head_only", "key", "lines", "parts")

    def __init__(self, key: Key, lines: bytes, body: bytes | None, *, head_only: bool) -> None:
        self.key = key
        self.lines = lines
        self.body = body
        self.head_only = head_only
        self.collects = body is None and not head_only
        self.parts: list[bytes] = []


class StaticFiles:
    """The compressed files of one worker, those that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0
        self._collecting: dict[Key, int] = {}
        self._threads: ThreadPoolExecutor | None = None

    def begin(
        self, upstream: str, version: str, path: bytes, method: bytes, fields: bytes, head: Response
    ) -> StaticFile | None:
        """Whether a response is to be sent compressed; ``None``: as it is.

        While a file is collected for another request, it is sent as it is.

        Args:
            upstream: the name of the upstream.
            version: of its MLflow.
            path: of the file there.
            method: of the request.
            fields: those of the request that travel on, as they stand in its head.
            head: MLflow's.
        """
        coding = accepted(fields)
        lines = head.lines
        found = _LENGTH.search(lines)
        validators = tuple(_VALIDATOR.findall(lines))
        length = int(found[1]) if found is not None else 0
        if not (
            coding
            and head.status == 200
            and SMALLEST <= length <= LARGEST
            and validators
            and _TYPES.fullmatch(head.media_type)
            and not _RANGE.search(fields)
            and not _ENCODED.search(lines)
            and not _CACHE.search(lines)
        ):
            return None
        key = Key(upstream, version, path, validators, length, coding)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
        file = StaticFile(key, _encoded(lines, coding), kept, head_only=method == b"HEAD")
        if file.collects:
            if key in self._collecting or length > COLLECTED_BYTES - sum(self._collecting.values()):
                return None
            self._collecting[key] = length
        return file

    def compress(self, file: StaticFile) -> asyncio.Future[bytes]:
        """Compress a file that has been collected whole, beside the loop, and keep it."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "compress")
        loop = asyncio.get_running_loop()
        key, whole = file.key, b"".join(file.parts)
        file.collects = False
        file.parts.clear()
        made = loop.run_in_executor(self._threads, _compress, whole, key.coding)
        made.add_done_callback(lambda done: self._keep(key, done))
        return made

    def give_up(self, file: StaticFile) -> None:
        """A file that was to be collected does not come whole."""
        if file.collects:
            self._collecting.pop(file.key, None)

    def _keep(self, key: Key, made: asyncio.Future[bytes]) -> None:
        self._collecting.pop(key, None)
        if made.cancelled() or made.exception() is not None:
            return
        body = made.result()
        if key in self._kept or len(body) > KEPT_BYTES:
            return
        self._kept[key] = body
        self._bytes += len(body)
        while self._bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)


def accepted(fields: bytes) -> bytes:
    """The coding that a request prefers of those made here; empty: none (RFC 9110 12.5.3)."""
    weights: dict[bytes, float] = {}
    for text in _ACCEPTS.findall(fields):
        for each in text.lower().replace(b" ", b"").replace(b"\t", b"").split(b","):
            match = _CODING.fullmatch(each)
            if match is not None:
                weights.setdefault(match[1], float(match[2]) if match[2] else 1.0)
    other = weights.get(b"*", 0.0)
    brotli, zipped = weights.get(BROTLI, other), weights.get(GZIP, other)
    if not brotli and not zipped:
        return b""
    return BROTLI if brotli >= zipped and _has_brotli() else GZIP if zipped else b""


def varying(lines: bytes, *, weak: bool) -> bytes:
    """The lines of a head that is another one for a client that accepts other codings.

    ``weak``: the body may be another one too, equal in meaning (RFC 9110 section 8.8.3.3).
    """
    kept = []
    vary = b"Accept-Encoding"
    for line in lines.split(b"\r\n"):
        name, _, value = line.partition(b":")
        lower = name.lower()
        if lower == b"vary":
            listed = {each.strip() for each in value.lower().split(b",")}
            if not listed & {b"accept-encoding", b"*"}:
                vary = value.strip() + b", " + vary
            else:
                vary = value.strip()
        elif weak and lower == b"etag" and value.strip()[:1] == b'"':
            kept.append(b"ETag: W/" + value.strip())
        elif line:
            kept.append(line)
    return b"\r\n".join([*kept, b"Vary: " + vary, b""])


def _encoded(lines: bytes, coding: bytes) -> bytes:
    """The lines of a head whose body is compressed, without its length."""
    dropped = (b"content-length", b"accept-ranges", b"content-md5", b"digest", b"content-digest")
    kept = [
        line
        for line in lines.split(b"\r\n")
        if line and line.partition(b":")[0].lower() not in dropped
    ]
    return varying(b"\r\n".join([*kept, b"Content-Encoding: " + coding, b""]), weak=True)


def _compress(whole: bytes, coding: bytes) -> bytes:
    """Runs in a thread; both libraries release the interpreter's lock while they work."""
    if coding == GZIP:
        return gzip.compress(whole, GZIP_LEVEL, mtime=0)
    import brotli  # noqa: PLC0415 - nobody waits for it who has no use for it

    body: bytes = brotli.compress(whole, quality=BROTLI_QUALITY)
    return body


def _has_brotli() -> bool:
    try:
        import brotli  # noqa: F401, PLC0415 - see above
    except ImportError:
        return False
    return True
