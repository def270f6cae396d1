"""Makes requests of what a client sends: the reading of heads, and what is held until its turn."""

from __future__ import annotations

from typing import Final

from headgate.dataplane.decisions import Caller
from headgate.dataplane.plane import DataPlane
from headgate.wire.errors import ProtocolError
from headgate.wire.head import END, empty_lines, request_end
from headgate.wire.origin import NOWHERE, origin_of
from headgate.wire.request import Request, read_request, repeat_request, unreadable

LOGGED_BYTES: Final = 4096
"""How much of a head that is wrong is logged."""
_NOTHING: Final = bytearray()  # of all connections that hold nothing, which most do; never changed


class RequestReader:
    """Reads the heads of one connection.

    Its length is that of what is held: a part of a head, or requests whose turn has yet to come.

    Args:
        plane: has the limits.
        caller: who sends the requests.

    Attributes:
        rest: what follows the head that was read last.
    """

    __slots__ = ("_caller", "_held", "_last", "_plane", "_searched", "rest")

    def __init__(self, plane: DataPlane, caller: Caller) -> None:
        self._plane = plane
        self._caller = caller
        self._held = _NOTHING
        self._searched = 0
        self._last: Request | None = None
        self.rest = b""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def begun(self) -> bool:
        """Whether a part of a head is held: half an empty line begins none."""
        held = self._held
        return len(held) > 1 or (len(held) == 1 and held != b"\r")

    def read(self, data: bytes) -> Request | None:
        """Take what came; returns the next request if its head is whole by now.

        Raises:
            ProtocolError: this is no head, or too long a one; ``error.head`` is its beginning.
        """
        held = self._held
        if held:
            held += data
            data = b""
        elif (request := self._repeat(data)) is not None:
            return request
        block = held or data
        if block[0] in b"\r\n":
            skipped = empty_lines(block)
            data = data[skipped:]
            if held:
                del held[:skipped]
            block = held or data
            if not block:
                return None
        try:
            end = request_end(block, self._searched, self._plane.head_bytes)
        except ProtocolError as error:
            error.head = bytes(block[:LOGGED_BYTES])
            raise
        if end < 0:
            if not held:
                held = self._held = bytearray(data)
            self._searched = max(0, len(held) - 3)
            return None
        end += len(END)
        if held:
            data = bytes(held)
            self._held = _NOTHING
        self._searched = 0
        self.rest = data[end:]
        return self._understand(data[:end])

    def _repeat(self, data: bytes) -> Request | None:
        """The next request if its head is whole, and so like the last one that no end is sought."""
        last = self._last
        if last is None:
            return None
        size = last.size
        if size - len(END) > self._plane.head_bytes:
            return None
        try:
            request = repeat_request(data, last)
        except ProtocolError as error:
            error.head = data[: min(size, LOGGED_BYTES)]
            raise
        if request is None:
            return None
        self.rest = data[size:]
        return self._keep(request)

    def _understand(self, head: bytes) -> Request:
        try:
            request = read_request(head, self._plane.max_fields, self._last)
        except ProtocolError as error:
            error.head = head[:LOGGED_BYTES]
            raise
        return self._keep(request)

    def _keep(self, request: Request) -> Request:
        plane = self._plane
        if request is not self._last:
            fields, caller = request.fields, self._caller
            if fields.origin is NOWHERE:  # nothing that has been said before says it
                fields.origin = origin_of(
                    fields.values, caller.address, caller.scheme, plane.trusted_proxies
                )
            self._last = request if fields.section else None  # a long one is not kept
        return request

    def unreadable(self, head: bytes = b"") -> Request:
        """Stands for bytes that were no request.

        Args:
            head: what looked like one; by default what has come of the next.
        """
        request = unreadable(head or bytes(self._held[:LOGGED_BYTES]))
        caller = self._caller
        request.fields.origin = NOWHERE._replace(address=caller.address, scheme=caller.scheme)
        return request

    def forget(self) -> None:
        """Understand the next head anew, since what is made of heads has changed."""
        self._last = None

    def hold(self, data: bytes) -> None:
        """Keep what came until the request before it has been responded to."""
        if self._held:
            self._held += data
        else:
            self._held = bytearray(data)

    def take(self) -> bytes:
        """Everything that is held; from now on nothing is."""
        held, self._held = self._held, _NOTHING
        self._searched = 0
        return bytes(held)
