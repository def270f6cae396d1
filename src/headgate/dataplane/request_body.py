"""What has come of a request's body, and in which form MLflow is sent it."""

from __future__ import annotations

from typing import Final

from headgate.wire.body import LAST_CHUNK, chunk
from headgate.wire.request_fields import CHUNKED

REPLAY_BYTES: Final = 64 * 1024
"""A body up to this size is kept until MLflow responds, in case the request must be sent again."""


class RequestBody:
    """The body of one request on its way.

    ``length``: as announced to MLflow, or ``CHUNKED``.  ``received``: bytes so far.
    ``complete``: all of it is here.  ``collecting``: nothing is sent before that, because MLflow
    takes the route's body only with its length.
    """

    __slots__ = ("_kept", "_started", "collecting", "complete", "length", "received")

    def __init__(self, length: int) -> None:
        self.length = length
        self.received = 0
        self.complete = length == 0
        self.collecting = False
        self._kept: list[bytes] | None = []
        self._started = False

    @property
    def known_length(self) -> int:
        """Bytes that it has at least: as announced, or those that have come."""
        return max(self.length, self.received)

    @property
    def repeatable(self) -> bool:
        """Whether all that came is still here, to be sent a second time."""
        return self._kept is not None

    @property
    def is_long(self) -> bool:
        """Whether it is on its way for so long that MLflow may well respond before its end."""
        return not self.complete and (self.length == CHUNKED or self.length > REPLAY_BYTES)

    def take(self, pieces: list[bytes], *, done: bool) -> list[bytes]:
        """Take what came; returns what is to be sent now, in the form MLflow is sent it."""
        for piece in pieces:
            self.received += len(piece)
        self.complete = done
        kept = self._kept
        if kept is not None:
            kept += pieces
        if not self._started:
            return []
        if self.received > REPLAY_BYTES:
            self._kept = None
        return self._encode(pieces)

    def withdraw(self) -> list[bytes]:
        """Give back all that came, as if none had; only before ``start``."""
        pieces = self._kept or []
        self._kept = []
        self.received = 0
        self.complete = False
        return pieces

    def collected(self) -> bytes:
        """All of it; only while ``collecting``."""
        return b"".join(self._kept or ())

    def start(self) -> list[bytes]:
        """What is to be sent immediately on a new connection: all that came before it."""
        if self.collecting:
            self.length = self.received
            self.collecting = False
        self._started = True
        kept = self._kept or []
        if self.received > REPLAY_BYTES:
            self._kept = None
        return self._encode(kept)

    def forget(self) -> None:
        """MLflow has begun to respond: nothing will be sent again."""
        self._kept = None

    def _encode(self, pieces: list[bytes]) -> list[bytes]:
        if self.length != CHUNKED:
            return pieces
        encoded = [chunk(piece) for piece in pieces]
        if self.complete:
            encoded.append(LAST_CHUNK)
        return encoded
