"""The stage that a connection from a client is in: its wait, and how it comes to the last one.

Nothing here knows of exchanges; ``ClientConnection`` is built on it.
"""

from __future__ import annotations

import math
from typing import Final

from headgate.dataplane.client_socket import ClientSocket
from headgate.dataplane.connection_states import CLOSING, LINGERING, NEW, RESPONDING, Stage
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.request_reader import RequestReader

PIPELINE_BYTES: Final = 64 * 1024
"""Bytes of following requests taken in while one is under way."""


class StagedClient(ClientSocket):
    """A client's socket with the stage that it is in.

    Args:
        plane: what all connections share.
        scheme: ``http`` or ``https``.
        stranger: see ``SweptConnection``.
        address: see ``ClientSocket``.

    Attributes:
        stage: where it is.
    """

    __slots__ = ("_plane", "_reader", "stage")

    def __init__(self, plane: DataPlane, scheme: str, stranger: str, address: str) -> None:
        super().__init__(scheme, stranger, address)
        self._plane = plane
        self._reader: RequestReader
        self.stage = NEW

    def _enter(self, stage: Stage) -> None:
        """Go on to another stage, whose wait begins now."""
        self.stage = stage
        self._unsent = math.inf
        self._wait()

    def _wait(self) -> None:
        """Begin the wait of this stage anew, unless the client has to read first."""
        if self.writable:
            plane = self._plane
            wait = plane.waits[self.stage.number]
            self.deadline = plane.clock() + wait if wait != math.inf else math.inf

    def _may_read(self) -> bool:
        return len(self._reader) <= PIPELINE_BYTES

    def _close_gently(self) -> None:
        """Close so that the last response arrives even when the client is still sending."""
        stage = self.stage
        sending = (stage is not RESPONDING and stage is not NEW) or len(self._reader) > 0
        self._reader.take()
        self._plane.head_ended(self)
        if not sending:
            self._close()
            return
        self._enter(LINGERING)  # what still comes is no request
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()

    def _close(self) -> None:
        """Close as soon as the client has taken what is written."""
        self._enter(CLOSING)
        self.transport.close()
