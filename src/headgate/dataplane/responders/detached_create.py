"""A create whose client has left while MLflow executes it: its response is awaited and kept."""

from __future__ import annotations

from typing import Final

from headgate.cluster import Result
from headgate.contract import Create
from headgate.creates import Notes, Place
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import ResponseReceiver, UpstreamConnection
from headgate.dataplane.creates import settle
from headgate.wire.errors import ProtocolError
from headgate.wire.response import Response

DETACHED_SECONDS: Final = 60.0
"""How long it is awaited; until then it takes one of the endpoint's places, for MLflow is at it."""
MAX_HELD: Final = 64 * 1024
"""Bytes of a response that are held; none that is kept comes near it."""


class DetachedCreate(ResponseReceiver):
    """Takes the place of a responder whose client has left.

    Args:
        notes: keep the response.
        place: of the create there.
        create: what it names.
        balancer: takes the place back, with how it ended.
        pool: whose place it has.
        connection: on which the response comes.
        now: on the clock of the connection's deadline.
        response: the head of the response, if that is here.
        pieces: what is here of its body.
    """

    __slots__ = (
        "_balancer",
        "_connection",
        "_create",
        "_notes",
        "_pieces",
        "_place",
        "_pool",
        "_response",
    )

    def __init__(
        self,
        notes: Notes,
        place: Place,
        create: Create,
        balancer: Balancer,
        pool: Pool,
        connection: UpstreamConnection,
        now: float,
        response: Response | None,
        pieces: list[bytes],
    ) -> None:
        self._notes = notes
        self._place = place
        self._create = create
        self._balancer = balancer
        self._pool = pool
        self._connection = connection
        self._response = response
        self._pieces = pieces
        connection.receiver = self
        connection.deadline = min(connection.deadline, now + DETACHED_SECONDS)

    def on_response(
        self,
        response: Response | None,
        pieces: list[bytes],
        *,
        done: bool,  # noqa: ARG002 - the signature is ResponseReceiver's
    ) -> None:
        """Hold what came."""
        if response is not None:
            self._response = response
        self._pieces += pieces
        if sum(map(len, self._pieces)) > MAX_HELD:
            self._connection.abort()
            self._fail(Result.CANCELLED, "")

    def on_response_end(self, *, reusable: bool) -> None:
        """Keep the response."""
        if reusable:
            self._connection.give_back()
        else:
            self._connection.abort()
        response = self._response
        if response is None:
            self._fail(Result.RESET, "no response")
            return
        settle(self._notes, self._place, self._create, response, b"".join(self._pieces))
        failed = response.status >= 500
        result = Result.ERROR_STATUS if failed else Result.OK
        error = f"a response had status {response.status}" if failed else ""
        self._balancer.finish(self._pool, result, error)

    def on_upstream_lost(self, error: Exception | None) -> None:
        """There will be no response."""
        self._fail(Result.RESET, str(error or "closed"))

    def on_upstream_silent(self) -> None:
        """It has been awaited for long enough."""
        self._fail(Result.CANCELLED, "")

    def on_upstream_invalid(self, error: ProtocolError) -> None:
        """The response cannot be understood."""
        self._fail(Result.ERROR_STATUS, error.message)

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        self._fail(Result.CANCELLED, str(error))

    def on_endpoint_down(self) -> None:
        """Wait on: MLflow may still respond."""

    def on_upstream_full(self) -> None:
        """The request is sent already."""

    def on_upstream_drained(self) -> None:
        """See ``on_upstream_full``."""

    def _fail(self, result: Result, error: str) -> None:
        self._notes.abandon(self._place)
        self._balancer.finish(self._pool, result, error)
