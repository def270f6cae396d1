"""A response that the client is sent compressed, in place of the file that MLflow sends."""

from __future__ import annotations

import asyncio

from headgate.dataplane.decisions import Route
from headgate.dataplane.ports import ClientSide, ExchangeSide, Responder
from headgate.dataplane.responders.delivery import Delivery
from headgate.dataplane.static_files import StaticFile, StaticFiles
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.wire import forward as heads
from headgate.wire.response import Response, missing_lines


class CompressedDelivery(Delivery):
    """One compressed response, from the head that MLflow sends to the client's last byte.

    Args:
        files: the compressed files of this worker.
        file: what is sent.
        lines: fields of the head, each sent where MLflow's own has no field of its name.
        responder: keeps count of what has been sent.
        exchange: learns that the response is complete.
        client: is sent it.
    """

    __slots__ = ("_client", "_exchange", "_file", "_files", "_lines", "_responder")

    def __init__(
        self,
        files: StaticFiles,
        file: StaticFile,
        lines: tuple[bytes, ...],
        responder: Responder,
        exchange: ExchangeSide,
        client: ClientSide,
    ) -> None:
        self._files = files
        self._file = file
        self._lines = lines
        self._responder = responder
        self._exchange = exchange
        self._client = client

    def take(
        self,
        response: Response | None,  # noqa: ARG002 - the signature is Delivery's
        pieces: list[bytes],
        *,
        done: bool,  # noqa: ARG002
    ) -> bool:
        """Take what came of MLflow's file."""
        if self._file.collects:
            self._file.parts += pieces
        return True

    def finish(self) -> None:
        """Send the compressed file, once there is one."""
        self._exchange.phase = Phase.RESPOND
        if self._file.collects:
            self._files.compress(self._file).add_done_callback(self._on_compressed)
        else:
            self._send()

    def give_up(self) -> None:
        """MLflow's file does not come whole."""
        self._files.give_up(self._file)

    def _on_compressed(self, made: asyncio.Future[bytes]) -> None:
        if self._exchange.ended:
            return  # the client has left; the next one has use for it
        try:
            self._file.body = made.result()
            self._send()
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self._exchange.on_defect(error)

    def _send(self) -> None:
        exchange, file, body = self._exchange, self._file, self._file.body
        lines = file.lines + missing_lines(file.lines, self._lines)
        if body is not None:
            lines += b"Content-Length: %d\r\n" % len(body)
        lines += exchange.settle_connection(self._client.body_done)
        head = heads.response_head(200, lines, exchange.request_id)
        self._responder.status = 200
        self._client.write(head)
        if body is not None and exchange.request.method != b"HEAD":
            self._responder.bytes_out = len(body)
            self._client.write(body)
        exchange.on_responded(Reason.OK)


def compressed(
    response: Response,
    route: Route,
    target: bytes,
    method: bytes,
    files: StaticFiles,
    responder: Responder,
    exchange: ExchangeSide,
    client: ClientSide,
) -> CompressedDelivery | None:
    """What the client is sent instead of an MLflow file; ``None``: the file itself.

    Args:
        response: the head of MLflow's response.
        route: of the request.
        target: path and query that MLflow was sent.
        method: that MLflow was sent.
        files: the compressed files of this worker.
        responder: see ``CompressedDelivery``, as for the others.
        exchange: see there.
        client: see there.
    """
    balancer = route.balancer
    file = files.begin(
        balancer.name,
        balancer.terms.dialect.version,
        target,
        method,
        exchange.request.fields.lines,
        response,
    )
    if file is None:
        return None
    return CompressedDelivery(files, file, route.response_lines, responder, exchange, client)
