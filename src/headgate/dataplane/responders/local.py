"""Responses of the gate's own: a refusal, a redirect, a document."""

from __future__ import annotations

from headgate.dataplane.local_responses import LocalResponse
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder


class LocalResponder(Responder):
    """Sends one response, whole and immediately.

    Args:
        exchange: learns that it is sent.
        client: is sent it.
        response: what is sent.
    """

    __slots__ = ("_client", "_exchange", "_response")

    def __init__(self, exchange: ExchangeSide, client: ClientSide, response: LocalResponse) -> None:
        super().__init__()
        self._exchange = exchange
        self._client = client
        self._response = response

    @property
    def takes_more(self) -> bool:
        """Whether more of the request's body is welcome: it is not used."""
        return False

    def start(self) -> None:
        """Send the response."""
        exchange, client, response = self._exchange, self._client, self._response
        connection = exchange.settle_connection(client.body_done or client.can_discard())
        head_only = exchange.request.method == b"HEAD"
        message = response.message(exchange.request_id, connection, head_only=head_only)
        self.status = response.status
        self.bytes_out = 0 if head_only else len(response.body)
        client.write(message)
        exchange.on_responded(response.reason)

    def send(self, pieces: list[bytes]) -> None:
        """Take no more of the request's body: the client connection reads over the rest."""

    def on_client_full(self) -> None:
        """Nothing can wait: all of it is written."""

    def on_client_drained(self) -> None:
        """See ``on_client_full``."""

    def drop(self) -> None:
        """Nothing is held."""
