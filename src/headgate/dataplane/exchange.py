"""One request and its answer: the phases select, forward, respond and account.

Both connections call in; whatever they report, the exchange ends exactly once, in ``_end``, and
that is where its ``Outcome`` is made and its connection to MLflow goes back or is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.dataplane import answer
from headgate.dataplane.gate import Forward, Redirect
from headgate.dataplane.plane import Plane, log
from headgate.dataplane.upstream import UpstreamConnection
from headgate.errors import Refusal
from headgate.model import BodyHandling, Endpoint, Outcome, Phase, Reason, Retry
from headgate.wire import forward as heads
from headgate.wire.body import LAST_CHUNK, ChunkedBody, UntilClose, chunk
from headgate.wire.errors import ProtocolError
from headgate.wire.location import public_location
from headgate.wire.request import CHUNKED, Request, request_id, unreadable
from headgate.wire.response import Response

if TYPE_CHECKING:
    from headgate.dataplane.client import ClientConnection

REPLAY_BYTES = 64 * 1024
"""A body up to this size is kept until MLflow answers, in case the request must be sent again."""
MAX_ATTEMPTS = 3
RETRY_AFTER = 2
"""Seconds a client is asked to wait before it tries an unreachable MLflow again."""


class Exchange:
    """What happens between one request and its answer."""

    __slots__ = (
        "_attempts",
        "_bytes_in",
        "_bytes_out",
        "_chunked_out",
        "_client",
        "_close",
        "_collected",
        "_connecting",
        "_detail",
        "_forward",
        "_length",
        "_phase",
        "_plane",
        "_principal",
        "_replay",
        "_request_id",
        "_request_sent",
        "_started",
        "_status",
        "_upstream",
        "_upstream_started",
        "_waiting",
        "ended",
        "method",
        "request",
    )

    def __init__(self, plane: Plane, client: ClientConnection, request: Request | None) -> None:
        self._plane = plane
        self._client = client
        self.request = request if request is not None else unreadable()
        self.method = self.request.method
        self.ended = False
        self._phase = Phase.PARSE
        self._started = plane.clock()
        self._upstream_started = 0.0
        self._request_id = request_id(self.request.fields) or plane.next_request_id()
        self._forward: Forward | None = None
        self._upstream: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._attempts = 0
        self._length = self.request.fields.length
        self._collected: bytearray | None = None
        self._waiting: list[bytes] = []  # body pieces that came before a connection did
        self._replay: list[bytes] | None = []
        self._request_sent = self._length == 0
        self._chunked_out = False
        self._close = self.request.fields.close
        self._status = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._principal = ""
        self._detail = ""

    # --- from the client -------------------------------------------------------------------

    def begin(self) -> None:
        """Let the gate decide, then refuse or forward."""
        verdict = self._plane.gate.decide(self.request, self._client.caller)
        if isinstance(verdict, Forward):
            self._forward = verdict
            self._principal = verdict.principal.name
            if self._length == CHUNKED and verdict.operation.body is BodyHandling.LENGTH:
                self._collected = bytearray()
                self._invite_body()
            else:
                self._select()
        elif isinstance(verdict, Redirect):
            self._redirect(verdict)
        else:
            self._principal = verdict.principal
            self._refuse(verdict.refusal, verdict.phase)

    def on_request_body(self, piece: bytes) -> None:
        """Some of the request's body is here."""
        if self.ended:
            return
        self._bytes_in += len(piece)
        if self._collected is not None:
            self._collect(piece)
            return
        if self._replay is not None:
            self._replay.append(piece)
            if self._bytes_in > REPLAY_BYTES:
                self._replay = None
        if self._upstream is None:
            self._waiting.append(piece)
        else:
            self._send_piece(self._upstream, piece)

    def on_request_end(self) -> None:
        """The request's body is complete."""
        if self.ended:
            return
        if self._collected is not None:
            self._length = len(self._collected)
            self._waiting = [bytes(self._collected)] if self._collected else []
            self._replay = list(self._waiting) if self._length <= REPLAY_BYTES else None
            self._collected = None
            self._request_sent = True
            self._select()
            return
        self._request_sent = True
        if self._length == CHUNKED and self._upstream is not None:
            self._upstream.transport.write(LAST_CHUNK)

    def on_client_lost(self) -> None:
        """The client left: MLflow must not take what it has for the whole request."""
        if not self.ended:
            self._drop_upstream()
            self._end(Reason.CLIENT_GONE)

    def on_client_silent(self, limit: float) -> None:
        """The client has stopped sending its body."""
        message = f"Headgate gave up: no byte of the request's body came for {limit:g} s."
        self._refuse(Refusal(Reason.REQUEST_MALFORMED, message, status=408), self._phase)

    def on_client_full(self) -> None:
        """The client reads slowly: MLflow waits."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def on_client_drained(self) -> None:
        """The client has caught up."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()
            self._expect_upstream(self._upstream)

    def on_malformed(self, error: ProtocolError) -> None:
        """The client's bytes are not HTTP/1.1."""
        message = f"Headgate refused the request: {error.message}."
        self._refuse(Refusal(error.reason, message, status=error.status or None), Phase.PARSE)

    # --- select and forward ----------------------------------------------------------------

    def _select(self) -> None:
        self._phase = Phase.SELECT
        forward = self._forward
        assert forward is not None  # noqa: S101 - begin() set it before any path leads here
        self._attempts += 1
        connection = forward.pool.take()
        if connection is not None:
            self._send(connection)
            self._invite_body()
        else:
            self._client.pause_reading()
            self._connecting = forward.pool.connect(self)

    def on_connected(self, connection: UpstreamConnection) -> None:
        """A new connection to MLflow is open."""
        self._connecting = None
        if self.ended:
            connection.abort()
            return
        try:
            self._send(connection)
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)
            return
        self._invite_body()
        self._client.resume_reading()

    def on_connect_failed(self, endpoint: Endpoint, error: OSError) -> None:
        """No connection could be opened."""
        self._connecting = None
        message = (
            "Headgate could not reach the MLflow server: it did not accept a connection. "
            "Check that MLflow is running; this request may be sent again."
        )
        cause = error.strerror or str(error) or type(error).__name__
        self._refuse(
            Refusal(
                Reason.UPSTREAM_CONNECT,
                message,
                retry_after=RETRY_AFTER,
                detail=f"{endpoint}: {cause}",
            ),
            Phase.SELECT,
        )

    def _invite_body(self) -> None:
        """Answer ``Expect: 100-continue``, now that the request has passed (RFC 9110 10.1.1)."""
        if (
            self.request.fields.expects_continue
            and not self._bytes_in
            and not self._client.body_done
        ):
            self._client.write(heads.CONTINUE)

    def _send(self, connection: UpstreamConnection) -> None:
        self._phase = Phase.FORWARD
        forward = self._forward
        assert forward is not None  # noqa: S101 - a connection is asked for in _select alone
        self._upstream = connection
        self._upstream_started = self._plane.clock()
        connection.begin(self, self._upstream_started + forward.pool.silence_timeout)
        connection.transport.write(
            heads.request_head(
                self.request,
                forward.path,
                forward.pool.host_header,
                self._request_id,
                self._length,
            )
        )
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for piece in waiting:
                self._send_piece(connection, piece)
        if self._request_sent and self._length == CHUNKED:
            connection.transport.write(LAST_CHUNK)

    def _send_piece(self, connection: UpstreamConnection, piece: bytes) -> None:
        self._expect_upstream(connection)
        connection.transport.write(chunk(piece) if self._length == CHUNKED else piece)

    def _expect_upstream(self, connection: UpstreamConnection) -> None:
        forward = self._forward
        if forward is not None:
            connection.deadline = self._plane.clock() + forward.pool.silence_timeout

    def _collect(self, piece: bytes) -> None:
        collected = self._collected
        assert collected is not None  # noqa: S101 - the caller has looked
        collected += piece
        limit = self._plane.limits.buffered_body_bytes
        if len(collected) > limit:
            message = (
                f"Headgate refused the request: its chunked body is over {limit.human_readable()}, "
                "and MLflow takes this route's body only with a Content-Length. Send one."
            )
            self._refuse(Refusal(Reason.BODY_TOO_LARGE, message), Phase.ADMIT)

    # --- from MLflow -----------------------------------------------------------------------

    def on_upstream_full(self) -> None:
        """MLflow takes the body slowly: the client waits."""
        self._client.pause_reading()

    def on_upstream_drained(self) -> None:
        """MLflow has caught up."""
        if self._upstream is not None:
            self._expect_upstream(self._upstream)
        self._client.resume_reading()

    def on_response_head(self, response: Response) -> None:
        """The answer begins."""
        self._phase = Phase.RESPOND
        self._status = response.status
        self._replay = None
        request = self.request
        lines = [heads.status_line(response.status), *response.lines]
        if response.location is not None:
            lines.append(self._location_line(response.location))
        keep = not self._close and self._client.body_done and not self._plane.draining
        if isinstance(response.body, (ChunkedBody, UntilClose)):
            if request.minor:
                self._chunked_out = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                keep = False
        if not keep:
            self._close = True
            lines.append(b"Connection: close\r\n")
        elif not request.minor:
            lines.append(b"Connection: keep-alive\r\n")
        lines.append(b"X-Request-ID: %b\r\n\r\n" % self._request_id)
        self._client.write(b"".join(lines))

    def on_response_body(self, data: bytes) -> None:
        """Some of the answer's body is here."""
        self._bytes_out += len(data)
        upstream = self._upstream
        if upstream is not None:
            self._expect_upstream(upstream)
        self._client.write(chunk(data) if self._chunked_out else data)

    def on_response_end(self, *, reusable: bool) -> None:
        """The answer is complete."""
        if self._chunked_out:
            self._client.write(LAST_CHUNK)
        upstream, self._upstream = self._upstream, None
        if upstream is not None and self._forward is not None:
            if reusable and self._request_sent:
                if not self._client.writable:
                    upstream.transport.resume_reading()
                self._forward.pool.give_back(upstream)
            else:
                upstream.abort()
        self._end(Reason.OK)
        self._client.on_exchange_end(keep=not self._close)

    def on_upstream_lost(self, error: Exception | None) -> None:
        """MLflow ended the connection before its answer was complete."""
        connection, self._upstream = self._upstream, None
        cause = str(error) if error else "closed"
        if self._may_send_again(connection):
            self._waiting = list(self._replay or ())
            log.info("sending %s again: %s", self._request_id.decode(), cause)
            self._select()
            return
        message = (
            "Headgate lost the MLflow server: it ended the connection before it answered. "
            "Look into MLflow's log; whether it carried out the request is not known."
        )
        self._fail(Refusal(Reason.UPSTREAM_RESET, message, detail=cause))

    def _may_send_again(self, connection: UpstreamConnection | None) -> bool:
        """Only what may be executed twice, and only when an aged connection is to blame."""
        return (
            connection is not None
            and connection.reused
            and self._status == 0
            and self._replay is not None
            and self._request_sent
            and self._attempts < MAX_ATTEMPTS
            and self._forward is not None
            and self._forward.operation.retry is Retry.SAFE
        )

    def on_upstream_silent(self) -> None:
        """MLflow has not moved for too long."""
        self._upstream = None
        message = (
            "Headgate gave up on the MLflow server: it stayed silent too long. Look into MLflow's "
            "log; whether it carried out the request is not known."
        )
        self._fail(Refusal(Reason.UPSTREAM_TIMEOUT, message))

    def on_upstream_invalid(self, error: ProtocolError) -> None:
        """MLflow's answer cannot be understood."""
        self._upstream = None
        message = f"Headgate does not understand the MLflow server: {error.message}."
        self._fail(Refusal(Reason.UPSTREAM_ERROR, message, detail=error.message))

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        log.error("defect while handling %s", self._request_id.decode(), exc_info=error)
        self._drop_upstream()
        message = (
            "Headgate failed on its own account; its log says why, under request id "
            f"{self._request_id.decode()}."
        )
        self._fail(Refusal(Reason.INTERNAL, message, detail=repr(error)))

    def _location_line(self, location: bytes) -> bytes:
        forward = self._forward
        if forward is None:
            return b""
        host = self.request.fields.host.decode("latin-1")
        base = f"{self._client.caller.scheme}://{host}" if host else ""
        prefix = forward.prefix.decode("ascii")
        public = public_location(location, forward.pool.authorities, base, prefix)
        return b"Location: %b\r\n" % public if public is not None else b""

    # --- the end ---------------------------------------------------------------------------

    def _redirect(self, verdict: Redirect) -> None:
        self._status = 308
        self._phase = Phase.RESPOND
        close = self._close
        self._client.write(answer.redirect(verdict.location, self._request_id, close=close))
        self._end(Reason.OK)
        self._client.on_exchange_end(keep=not close)

    def _fail(self, refusal: Refusal) -> None:
        """Refuse, or cut the connection when part of an answer has been sent already."""
        if self._status:
            self._detail = refusal.detail
            self._end(refusal.reason)
            self._client.abort()
        else:
            self._refuse(refusal, self._phase)

    def _refuse(self, refusal: Refusal, phase: Phase) -> None:
        if self.ended:
            self._client.abort()
            return
        if self._status:
            self._fail(refusal)
            return
        self._drop_upstream()
        self._phase = phase
        self._status = refusal.code
        self._detail = refusal.detail
        request, client = self.request, self._client
        close = self._close or not (client.body_done or client.can_discard())
        client.write(
            answer.refusal(
                refusal, self._request_id, head_only=request.method == b"HEAD", close=close
            )
        )
        self._end(refusal.reason)
        client.on_exchange_end(keep=not close)

    def _drop_upstream(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _end(self, reason: Reason) -> None:
        """Account for the request: the one place where its outcome is made."""
        if self.ended:
            return
        self.ended = True
        self._waiting.clear()
        self._replay = None
        self._collected = None
        now = self._plane.clock()
        forward, request = self._forward, self.request
        self._plane.gate.account(
            Outcome(
                reason,
                self._phase,
                self._status,
                request.method.decode("ascii"),
                request.target.partition(b"?")[0].decode("ascii", "replace"),
                forward.operation.family if forward else "",
                self._principal,
                self._request_id.decode("ascii"),
                self._client.caller.address,
                forward.pool.name if forward else "",
                now - self._started,
                now - self._upstream_started if self._upstream_started else 0.0,
                self._bytes_in,
                self._bytes_out,
                self._attempts,
                request.fields.known.get(b"user-agent", b"").decode("latin-1"),
                self._detail,
            )
        )
