"""What the client is sent of MLflow's response: the phase respond."""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from headgate.dataplane import local_responses
from headgate.dataplane.decisions import Route
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.static_files import varying
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.wire import forward as heads
from headgate.wire.body import LAST_CHUNK, CountedBody, chunk
from headgate.wire.location import location_line
from headgate.wire.response import Response, missing_lines

# To look a member up in its class costs as much as ten attributes.
_RESPOND: Final = Phase.RESPOND
_OK: Final = Reason.OK

SKIP_BYTES: Final = 64 * 1024
"""A body that the client did not ask for is read over up to this size, to keep the connection."""


class Delivery:
    """Takes MLflow's response as it comes, and sends the client one."""

    __slots__ = ()

    @abstractmethod
    def take(self, response: Response | None, pieces: list[bytes], *, done: bool) -> bool:
        """Take a part of MLflow's response; whether the rest of it is wanted.

        Args:
            response: its head, when that came now.
            pieces: what came of its body.
            done: whether that completes it.
        """

    @abstractmethod
    def finish(self) -> None:
        """MLflow's response is complete: complete the client's, and tell the exchange."""

    @abstractmethod
    def give_up(self) -> None:
        """MLflow's response does not come whole."""


class PlainDelivery(Delivery):
    """Sends the client what comes, framed anew and with the fields that are the gate's.

    Args:
        exchange: learns that the response is complete.
        client: is sent it.
        responder: keeps count of what has been sent.
        route: of the request.
        body: of the request, if it has one.
        head_only: whether the client asked for no more than the head.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_client",
        "_exchange",
        "_head_only",
        "_reason",
        "_responder",
        "_route",
        "_said",
    )

    def __init__(
        self,
        exchange: ExchangeSide,
        client: ClientSide,
        responder: Responder,
        route: Route,
        body: RequestBody | None,
        head_only: bool,
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._responder = responder
        self._route = route
        self._body = body
        self._head_only = head_only
        self._chunked = False
        self._reason = _OK
        self._said: list[bytes] | None = None  # of the body of a refusal by the gate's own pages

    def take(self, response: Response | None, pieces: list[bytes], *, done: bool) -> bool:
        """Send the client what came; whether the rest of it is wanted."""
        out = [self._head_of(response)] if response is not None else []
        if self._head_only:
            return self._pass_head(response, out, done=done)
        sent = 0
        for piece in pieces:
            sent += len(piece)
            out.append(chunk(piece) if self._chunked else piece)
        self._responder.bytes_out += sent
        if self._said is not None and self._responder.bytes_out <= SKIP_BYTES:
            self._said += pieces
        if done and self._chunked:
            out.append(LAST_CHUNK)
        if out:
            self._client.write(b"".join(out) if len(out) > 1 else out[0])
        return True

    def _pass_head(self, response: Response | None, out: list[bytes], *, done: bool) -> bool:
        """Respond to a HEAD: of MLflow's response to a GET, the client is sent the head alone."""
        if out:
            self._client.write(out[0])
        if response is None or done:
            return True
        body = response.body
        return isinstance(body, CountedBody) and body.remaining <= SKIP_BYTES

    def _head_of(self, response: Response) -> bytes:
        exchange, route = self._exchange, self._route
        exchange.phase = _RESPOND
        if self._body is not None:
            self._body.forget()
        lines = response.lines
        if route.response_lines and response.status < 300:
            lines += missing_lines(lines, route.response_lines)
        if response.location is not None:
            origin, balancer = exchange.request.fields.origin, route.balancer
            lines += location_line(
                response.location,
                balancer.authorities,
                origin,
                route.prefix,
                balancer.terms.dialect.base,
            )
        if route.operation.static:
            lines = varying(lines, weak=response.status == 304)
        policy = route.operation.response_policy
        if policy.cookies:
            lines += response.cookies
        if policy.states_reason:
            self._reason = local_responses.reason_of_page(response)
            if self._reason is not _OK:
                self._said = []
            lines += local_responses.reason_line(self._reason)
        if not response.delimited and not self._head_only:
            if exchange.request.minor:
                self._chunked = True
                lines += b"Transfer-Encoding: chunked\r\n"
            else:
                exchange.close = True
        lines += exchange.settle_connection(self._client.body_done)
        head = heads.response_head(response.status, lines, exchange.request_id)
        self._responder.status = response.status
        return head

    def finish(self) -> None:
        """All is sent."""
        if self._said is not None:
            self._exchange.message = local_responses.message_of_page(b"".join(self._said))
        self._exchange.on_responded(self._reason)

    def give_up(self) -> None:
        """What has been sent cannot be taken back: the exchange cuts the connection."""
