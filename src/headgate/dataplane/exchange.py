"""One request and its answer: the phases select, forward, respond and account.

Both connections call in; whatever they report, the exchange ends exactly once, in ``_end``, and
that is where its ``Outcome`` is made.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from headgate.dataplane import answer, failures
from headgate.dataplane.gate import Forward, Inspect, Pending, Redirect, Route, Verdict
from headgate.dataplane.plane import Plane, log
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.upstream import UpstreamConnection
from headgate.errors import Refusal
from headgate.model import BodyHandling, Endpoint, Outcome, Phase, Reason, Retry
from headgate.wire import forward as heads
from headgate.wire.body import LAST_CHUNK, chunk
from headgate.wire.errors import ProtocolError
from headgate.wire.location import location_line
from headgate.wire.request import CHUNKED, Request, request_id
from headgate.wire.response import Response

if TYPE_CHECKING:
    from headgate.dataplane.client import ClientConnection

MAX_ATTEMPTS = 3


class Exchange:
    """What happens between one request and its answer.

    ``ended``: the outcome is made; what the connections still report changes nothing.
    """

    __slots__ = (
        "_admitted",
        "_attempts",
        "_body",
        "_bytes_out",
        "_chunked_out",
        "_client",
        "_close",
        "_connecting",
        "_deciding",
        "_detail",
        "_inspecting",
        "_phase",
        "_plane",
        "_principal",
        "_query",
        "_request_id",
        "_route",
        "_started",
        "_status",
        "_upstream",
        "_upstream_started",
        "ended",
        "method",
        "request",
    )

    def __init__(self, plane: Plane, client: ClientConnection, request: Request) -> None:
        fields = request.fields
        self._plane = plane
        self._client = client
        self.request = request
        self.method = request.method
        self.ended = False
        self._phase = Phase.PARSE
        self._started = plane.clock()
        self._upstream_started = 0.0
        self._request_id = request_id(fields) or plane.next_request_id()
        self._route: Route | None = None
        self._query = b""
        self._principal = ""
        self._body: RequestBody | None = None
        self._upstream: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._deciding: asyncio.Task[Verdict] | None = None
        self._inspecting: Inspect | None = None
        self._attempts = 0
        self._chunked_out = False
        self._close = fields.close
        self._status = 0
        self._bytes_out = 0
        self._detail = ""
        self._admitted = False

    @property
    def received(self) -> int:
        """Bytes of the request's body so far."""
        return self._body.received if self._body is not None else 0

    # --- from the client -------------------------------------------------------------------

    def begin(self, pieces: list[bytes], *, done: bool) -> None:
        """Let the gate decide, then refuse or forward.

        Args:
            pieces: what of the request's body came together with its head.
            done: whether that is all of it.
        """
        if self.request.fields.length:
            self._body = RequestBody(self.request.fields.length)
            if pieces or done:
                self._body.take(pieces, done=done)
        self._obey(self._plane.gate.decide(self.request, self._client.caller))

    def _obey(self, verdict: Verdict) -> None:
        if isinstance(verdict, Forward):
            self._forward(verdict)
        elif isinstance(verdict, Inspect):
            self._inspect(verdict)
        elif isinstance(verdict, Pending):
            self._await(verdict)
        else:
            self._body = None  # what came of it is not used
            if isinstance(verdict, Redirect):
                self._redirect(verdict)
            else:
                self._principal = verdict.principal
                self._refuse(verdict.refusal, verdict.phase)

    def _forward(self, verdict: Forward) -> None:
        if not self._admit(verdict):
            return
        body = self._body
        chunked = body is not None and body.length == CHUNKED
        if chunked and verdict.route.operation.body is BodyHandling.LENGTH:
            self._collect(body)
        else:
            self._select()

    def _inspect(self, verdict: Inspect) -> None:
        """Collect the body, since the gate wants to see it before it decides."""
        self._phase = Phase.AUTHORISE
        if not self._admit(verdict):
            return
        self._inspecting = verdict
        self._collect(self._body)

    def _await(self, verdict: Pending) -> None:
        """Decide when what the decision needs has come; until then the client waits."""
        self._principal = verdict.principal.name
        self._phase = Phase.AUTHORISE
        self._client.pause_reading()
        loop = asyncio.get_running_loop()
        self._deciding = loop.create_task(verdict.verdict, name="decide")
        self._deciding.add_done_callback(self._on_decided)

    def _on_decided(self, task: asyncio.Task[Verdict]) -> None:
        if self.ended:
            if not task.cancelled():
                task.exception()  # nobody is left to be told of it
            return
        self._deciding = None
        try:
            self._client.resume_reading()
            self._obey(task.result())
        except asyncio.CancelledError:
            self.on_defect(RuntimeError("the decision was cancelled"))
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    def _admit(self, verdict: Forward | Inspect) -> bool:
        """Take up capacity, which ``_end`` returns; refuse when there is none."""
        self._route = verdict.route
        self._query = verdict.query
        self._principal = verdict.principal.name
        if self._admitted:
            return True
        plane, limit = self._plane, verdict.route.body_limit
        if limit and max(self.request.fields.length, self.received) > limit:
            self._refuse(failures.too_large(limit.human_readable()), Phase.ADMIT)
        elif plane.in_flight >= plane.limits.in_flight and verdict.route.operation.family != "gate":
            self._refuse(failures.overloaded(plane.limits.in_flight), Phase.ADMIT)
        else:
            plane.in_flight += 1
            self._admitted = True
        return self._admitted

    def on_request_body(self, pieces: list[bytes], *, done: bool) -> None:
        """More of the request's body is here; ``done``: it is complete."""
        body = self._body
        if self.ended or body is None:
            return
        due = body.take(pieces, done=done)
        if body.length == CHUNKED and self._is_too_long(body.received):
            return
        if body.collecting:
            self._collect(body)
        elif due and self._upstream is not None:
            self._expect_upstream()
            self._upstream.write(due)

    def _collect(self, body: RequestBody | None) -> None:
        """Go on once the whole body is here."""
        if body is None:
            self._on_collected(b"")
            return
        body.collecting = True
        limit = self._plane.limits.buffered_body_bytes
        if body.received > limit or body.length > limit:
            self._refuse(failures.uncollectable(limit.human_readable()), Phase.ADMIT)
        elif body.complete:
            self._on_collected(body.collected() if self._inspecting is not None else b"")
        else:
            self._invite_body()

    def _on_collected(self, body: bytes) -> None:
        asked, self._inspecting = self._inspecting, None
        if asked is None:
            self._select()
        else:
            gate = self._plane.gate
            self._obey(gate.decide_body(self.request, self._client.caller, asked, body))

    def _is_too_long(self, received: int) -> bool:
        """End the exchange when a body of unannounced length is over its limit."""
        if self._route is None:
            return False
        limit = self._route.body_limit
        if not limit or received <= limit:
            return False
        refusal = failures.too_large(limit.human_readable())
        if self._status:
            self._fail(refusal)
        else:
            self._refuse(refusal, Phase.ADMIT)
        return True

    def on_client_lost(self) -> None:
        """The client left: MLflow must not take what it has for the whole request."""
        if not self.ended:
            self._drop_upstream()
            self._end(Reason.CLIENT_GONE)

    def on_client_silent(self, limit: float) -> None:
        """The client has stopped sending its body."""
        self._fail(failures.body_stalled(limit))

    def on_client_full(self) -> None:
        """The client reads slowly: MLflow waits."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()
            self._expect_upstream()

    def on_client_drained(self) -> None:
        """The client has caught up."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()
            self._expect_upstream()

    def on_malformed(self, error: ProtocolError) -> None:
        """The client's bytes are not HTTP/1.1."""
        self._close = True
        self._fail(failures.malformed(error))

    # --- select and forward ----------------------------------------------------------------

    def _select(self) -> None:
        self._phase = Phase.SELECT
        route = self._route
        assert route is not None  # noqa: S101 - begin() set it before any path leads here
        self._attempts += 1
        connection = route.pool.take()
        if connection is not None:
            self._send(route, connection)
        else:
            self._client.pause_reading()
            self._connecting = route.pool.connect(self)

    def on_connected(self, connection: UpstreamConnection) -> None:
        """A new connection to MLflow is open."""
        self._connecting = None
        if self.ended or self._route is None:
            connection.abort()
            return
        try:
            self._send(self._route, connection)
            self._client.resume_reading()
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self.on_defect(error)

    def on_connect_failed(self, endpoint: Endpoint, error: OSError) -> None:
        """No connection could be opened."""
        self._connecting = None
        self._fail(failures.cannot_connect(endpoint, error))

    def _send(self, route: Route, connection: UpstreamConnection) -> None:
        self._phase = Phase.FORWARD
        self._upstream = connection
        now = self._upstream_started = self._plane.clock()
        connection.begin(self, now + route.pool.silence_timeout)
        body = self._body
        due = body.start() if body is not None else []
        head = heads.request_head(
            self.request,
            route.path + self._query,
            route.pool.host_header,
            self._request_id,
            body.length if body is not None else 0,
        )
        connection.write([head, *due] if due else [head])
        if not self._client.writable:
            self.on_client_full()
        if body is not None:
            self._invite_body()

    def _invite_body(self) -> None:
        """Answer ``Expect: 100-continue``, now that the request has passed (RFC 9110 10.1.1)."""
        body = self._body
        waits = body is not None and not body.received and not body.complete
        if waits and self.request.fields.expects_continue and self._attempts <= 1:
            self._client.write(heads.CONTINUE)

    def _expect_upstream(self) -> None:
        """MLflow or the client has moved: count silence from now, unless MLflow has to wait."""
        if self._upstream is not None and self._route is not None:
            silence = self._route.pool.silence_timeout if self._client.writable else math.inf
            self._upstream.deadline = self._plane.clock() + silence

    # --- from MLflow -----------------------------------------------------------------------

    def on_upstream_full(self) -> None:
        """MLflow takes the body slowly: the client waits."""
        self._client.pause_reading()

    def on_upstream_drained(self) -> None:
        """MLflow has caught up."""
        self._expect_upstream()
        self._client.resume_reading()

    def on_response(self, response: Response | None, pieces: list[bytes], *, done: bool) -> None:
        """Some of the answer is here.

        Args:
            response: its head, when that came now.
            pieces: what came of its body.
            done: whether that completes it.
        """
        out = [self._head_of(response)] if response is not None else []
        for piece in pieces:
            self._bytes_out += len(piece)
            out.append(chunk(piece) if self._chunked_out else piece)
        if done:
            if self._chunked_out:
                out.append(LAST_CHUNK)
        else:
            self._expect_upstream()
        if out:
            self._client.write(b"".join(out) if len(out) > 1 else out[0])

    def _head_of(self, response: Response) -> bytes:
        self._phase = Phase.RESPOND
        if self._body is not None:
            self._body.forget()
        extra = b"" if response.location is None else self._location_line(response.location)
        if self._close or not self._client.body_done or self._plane.draining:
            self._close = True
        if not response.delimited:
            if self.request.minor:
                self._chunked_out = True
                extra += b"Transfer-Encoding: chunked\r\n"
            else:
                self._close = True
        extra += self._connection_line()
        head = heads.response_head(response.status, response.lines + extra, self._request_id)
        self._status = response.status
        return head

    def _connection_line(self) -> bytes:
        return heads.connection_line(self.request.minor, close=self._close)

    def _location_line(self, location: bytes) -> bytes:
        route = self._route
        if route is None:
            return b""
        return location_line(
            location, route.pool.authorities, self.request.fields.origin, route.prefix
        )

    def on_response_end(self, *, reusable: bool) -> None:
        """The answer is complete; ``reusable``: so is the connection's part in it."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            if reusable and (self._body is None or self._body.complete):
                if not self._client.writable:
                    upstream.transport.resume_reading()
                upstream.give_back()
            else:
                upstream.abort()
        self._end(Reason.OK)
        self._client.on_exchange_end(keep=not self._close)

    def on_upstream_lost(self, error: Exception | None) -> None:
        """MLflow ended the connection before its answer was complete."""
        connection, self._upstream = self._upstream, None
        cause = str(error) if error else "closed"
        if connection is not None and connection.reused and self._may_send_again():
            log.info("sending %s again: %s", self._request_id.decode(), cause)
            self._select()
        else:
            self._fail(failures.connection_lost(cause))

    def _may_send_again(self) -> bool:
        """Only what may be executed twice, and only while nothing of an answer has come."""
        return (
            self._status == 0
            and self._attempts < MAX_ATTEMPTS
            and self._route is not None
            and self._route.operation.retry is Retry.SAFE
            and (self._body is None or self._body.repeatable)
        )

    def on_upstream_silent(self) -> None:
        """MLflow has not moved for too long."""
        self._upstream = None
        limit = self._route.pool.silence_timeout if self._route is not None else 0
        self._fail(failures.silent(limit))

    def on_upstream_invalid(self, error: ProtocolError) -> None:
        """MLflow's answer cannot be understood."""
        self._upstream = None
        self._fail(failures.invalid_answer(error))

    def on_defect(self, error: Exception) -> None:
        """The gate itself failed."""
        request_id = self._request_id.decode("ascii")
        log.error("defect while handling %s", request_id, exc_info=error)
        self._drop_upstream()
        self._fail(failures.defect(request_id, error))

    # --- the end ---------------------------------------------------------------------------

    def _redirect(self, verdict: Redirect) -> None:
        self._status = 308
        self._phase = Phase.RESPOND
        connection = self._settle_connection()
        self._client.write(answer.redirect(verdict.location, self._request_id, connection))
        self._end(Reason.OK)
        self._client.on_exchange_end(keep=not self._close)

    def _fail(self, refusal: Refusal) -> None:
        """Refuse, or cut the connection when part of an answer has been sent already."""
        if self.ended:
            self._client.abort()
        elif self._status:
            self._drop_upstream()
            self._detail = refusal.detail
            self._end(refusal.reason)
            self._client.abort()
        else:
            self._refuse(refusal, self._phase)

    def _refuse(self, refusal: Refusal, phase: Phase) -> None:
        self._drop_upstream()
        self._phase = phase
        self._status = refusal.code
        self._detail = refusal.detail
        connection = self._settle_connection()
        head_only = self.method == b"HEAD"
        self._client.write(
            answer.refusal(refusal, self._request_id, connection, head_only=head_only)
        )
        self._end(refusal.reason)
        self._client.on_exchange_end(keep=not self._close)

    def _settle_connection(self) -> bytes:
        """Decide whether the connection outlives an answer of the gate's own."""
        client = self._client
        if self._plane.draining or not (client.body_done or client.can_discard()):
            self._close = True
        return self._connection_line()

    def _drop_upstream(self) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
            self._deciding = None
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.abort()

    def _end(self, reason: Reason) -> None:
        """Account for the request: the one place where its outcome is made."""
        self.ended = True
        if self._admitted:
            self._plane.in_flight -= 1
        body, route, request = self._body, self._route, self.request
        now = self._plane.clock()
        self._plane.gate.account(
            Outcome(
                reason,
                self._phase,
                self._status,
                request.method,
                request.target,
                route.operation.family if route is not None else "",
                self._principal,
                self._request_id,
                request.fields.origin.address,
                route.pool.name if route is not None else "",
                now - self._started,
                now - self._upstream_started if self._upstream_started else 0.0,
                body.received if body is not None else 0,
                self._bytes_out,
                self._attempts,
                request.fields.known.get(b"user-agent", b""),
                self._detail,
            )
        )
        self._body = None
