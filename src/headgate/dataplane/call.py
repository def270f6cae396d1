"""A request of the gate's own to an upstream: probes, and look-ups that a decision needs."""

from __future__ import annotations

import asyncio
import enum
import ssl
from typing import Final, NamedTuple

from headgate.cluster import Result
from headgate.dataplane.connections.pool import Pool
from headgate.dataplane.connections.upstream import ResponseReceiver, UpstreamConnection
from headgate.model import Endpoint
from headgate.symptoms import (
    ConnectionFailure,
    ExchangeFailure,
    Symptom,
    connection_failure,
    own_words,
)
from headgate.tasks import FairTimeout
from headgate.wire.errors import ProtocolError
from headgate.wire.response import Response

MAX_BYTES: Final = 1024 * 1024
"""The longest body of a response that is taken, where the caller sets no limit."""


class CallFailure(enum.Enum):
    """How a call can fail without a response.

    Attributes:
        result: what that says of the endpoint, to the cluster.
        symptom: what explains it, where nothing more particular is known.
    """

    NO_ENDPOINT = (Result.CANCELLED, ExchangeFailure.NO_ENDPOINT)
    """There is no endpoint that may be asked."""
    FULL = (Result.CANCELLED, ExchangeFailure.FULL)
    """Every endpoint has as many requests as it may have."""
    PARKED = (Result.CANCELLED, ExchangeFailure.PARKED)
    """Operators have parked the upstream."""
    CONNECT = (Result.CONNECT_FAILED, ConnectionFailure.OTHER)
    """There is no connection; the error's own symptom says why."""
    RESET = (Result.RESET, ExchangeFailure.RESET)
    TIMEOUT = (Result.TIMEOUT, ExchangeFailure.SILENT)
    INVALID = (Result.ERROR_STATUS, ExchangeFailure.INVALID)
    TOO_LONG = (Result.OK, ExchangeFailure.TOO_LONG)

    @property
    def result(self) -> Result:
        """See the class."""
        result: Result = self.value[0]
        return result

    @property
    def symptom(self) -> Symptom:
        """See the class."""
        symptom: Symptom = self.value[1]
        return symptom


class CallError(Exception):
    """There is no response.

    Attributes:
        failure: how the call failed.
        detail: why, for the log and for operators.
        symptom: what explains it; that of ``failure`` unless more is known.
    """

    def __init__(self, failure: CallFailure, detail: str, symptom: Symptom | None = None) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail
        self.symptom = symptom or failure.symptom


class CallResponse(NamedTuple):
    """A response; ``lines`` are its header lines as they came."""

    status: int
    lines: bytes
    body: bytes


async def call(
    pool: Pool,
    method: bytes,
    target: bytes,
    *,
    body: bytes = b"",
    lines: bytes = b"",
    within: float,
    max_bytes: int = MAX_BYTES,
) -> CallResponse:
    """Send one request and wait for its whole response.

    Args:
        pool: the connections to the endpoint.
        method: such as ``b"GET"``.
        target: path and query, canonical.
        body: sent with its length; none is sent when empty.
        lines: further header lines, each with its end.
        within: seconds for all of it.
        max_bytes: the longest body that is taken.

    Raises:
        CallError: when there is no whole response.
    """
    caller = _Call(pool, method, _head(pool, method, target, body, lines) + body, max_bytes)
    try:
        async with FairTimeout(within):
            return await caller.run()
    except TimeoutError:
        raise CallError(CallFailure.TIMEOUT, f"no response within {within:g} s") from None
    finally:
        caller.close()


def _head(pool: Pool, method: bytes, target: bytes, body: bytes, lines: bytes) -> bytes:
    # MLflow takes a request from loopback without forwarding fields for the operator's own.
    lines += b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nUser-Agent: headgate\r\n"
    if body:
        lines += b"Content-Length: %d\r\n" % len(body)
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, target, pool.host_header, lines)


class _Call(ResponseReceiver):
    """The exchange of one call."""

    def __init__(self, pool: Pool, method: bytes, request: bytes, max_bytes: int) -> None:
        self._method = method
        self._pool = pool
        self._request = request
        self._max_bytes = max_bytes
        self._result: asyncio.Future[CallResponse] = asyncio.get_running_loop().create_future()
        self._connecting: asyncio.Task[None] | None = None
        self._connection: UpstreamConnection | None = None
        self._response: Response | None = None
        self._body = bytearray()

    async def run(self) -> CallResponse:
        connection = self._pool.take()
        if connection is not None:
            self.on_connected(connection)
        else:
            self._connecting = self._pool.connect(self)
        return await self._result

    def close(self) -> None:
        """Release the connection; the response is no longer wanted."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        self._result.cancel()

    def _fail(self, failure: CallFailure, detail: str, symptom: Symptom | None = None) -> None:
        self._connection = None
        if not self._result.done():
            self._result.set_exception(CallError(failure, detail, symptom))

    # --- from the pool ---------------------------------------------------------------------

    def on_connected(self, connection: UpstreamConnection) -> None:
        self._connecting = None
        if self._result.done():
            connection.abort()
            return
        self._connection = connection
        connection.begin(self, self._method, float("inf"))  # the caller's own timeout ends it
        connection.write([self._request])

    def on_connect_failed(
        self,
        endpoint: Endpoint,  # noqa: ARG002 - the signature is Waiter's
        error: OSError,
    ) -> None:
        self._connecting = None
        self._fail(CallFailure.CONNECT, own_words(error), connection_failure(error))

    # --- from the connection ---------------------------------------------------------------

    def on_response(
        self,
        response: Response | None,
        pieces: list[bytes],
        *,
        done: bool,  # noqa: ARG002 - the signature is ResponseReceiver's
    ) -> None:
        self._response = response or self._response
        for piece in pieces:
            self._body += piece
        if len(self._body) > self._max_bytes:
            connection = self._connection
            self._fail(CallFailure.TOO_LONG, f"the response is over {self._max_bytes} bytes")
            if connection is not None:
                connection.abort()

    def on_response_end(self, *, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if reusable:
                connection.give_back()
            else:
                connection.abort()
        if not self._result.done() and self._response is not None:
            response = self._response
            self._result.set_result(
                CallResponse(response.status, response.lines, bytes(self._body))
            )

    def on_upstream_lost(self, error: Exception | None) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.reused and self._response is None:
            # It was kept for too long, which says nothing; what the gate asks may be asked twice.
            self._connecting = self._pool.connect(self)
            return
        failure, symptom = CallFailure.RESET, None
        if isinstance(error, ssl.SSLError):  # since TLS 1.3 some refusals come after the handshake
            failure, symptom = CallFailure.CONNECT, connection_failure(error)
        begun = self._response is not None
        closed = "the response broke off" if begun else "closed without a response"
        self._fail(failure, own_words(error) if error else closed, symptom)

    def on_upstream_silent(self) -> None:
        self._fail(CallFailure.TIMEOUT, "silent")

    def on_endpoint_down(self) -> None:
        """Wait on: the response says more than the probes."""

    def on_upstream_invalid(self, error: ProtocolError) -> None:
        self._fail(CallFailure.INVALID, error.message)

    def on_upstream_full(self) -> None:
        """A call's request is small; it is never paused."""

    def on_upstream_drained(self) -> None:
        """See ``on_upstream_full``."""

    def on_defect(self, error: Exception) -> None:
        self._connection = None
        if not self._result.done():
            self._result.set_exception(error)
