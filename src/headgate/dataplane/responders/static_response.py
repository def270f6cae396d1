"""A response that the client is sent compressed, in place of the file that MLflow sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headgate.dataplane.decisions import Forward
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.responders.static_files import StaticFile, StaticFiles
from headgate.model import Phase
from headgate.wire import forward as heads
from headgate.wire.response import Response, missing_lines

if TYPE_CHECKING:
    from headgate.dataplane.client import ClientConnection
    from headgate.dataplane.exchange import Exchange
    from headgate.dataplane.responders.forward import Forwarding


class StaticResponse:
    """One compressed response, from the head that MLflow sends to the client's last byte.

    Args:
        files: the compressed files of this worker.
        file: what is sent.
        lines: fields of the head, each sent where MLflow's own has no field of its name.
        forwarding: learns what has been sent.
        exchange: learns that the response is complete.
        client: is sent it.
    """

    __slots__ = (
        "_client",
        "_exchange",
        "_file",
        "_files",
        "_forwarding",
        "_head_only",
        "_lines",
    )

    def __init__(
        self,
        files: StaticFiles,
        file: StaticFile,
        lines: tuple[bytes, ...],
        forwarding: Forwarding,
        exchange: Exchange,
        client: ClientConnection,
    ) -> None:
        self._files = files
        self._file = file
        self._lines = lines
        self._forwarding = forwarding
        self._exchange = exchange
        self._client = client
        self._head_only = exchange.method == b"HEAD"

    def collect(self, pieces: list[bytes]) -> None:
        """Take what came of MLflow's file."""
        if self._file.collects:
            self._file.parts += pieces

    def finish(self) -> None:
        """MLflow has sent its file, whole: send the compressed one, once there is one."""
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
        self._forwarding.status = 200
        self._client.write(head)
        if body is not None and not self._head_only:
            self._forwarding.bytes_out = len(body)
            self._client.write(body)
        exchange.on_answered(self._forwarding.reason)


def compressed(
    response: Response,
    forward: Forward,
    plane: DataPlane,
    forwarding: Forwarding,
    exchange: Exchange,
    client: ClientConnection,
) -> StaticResponse | None:
    """What the client is sent instead of an MLflow file; ``None``: the file itself."""
    route, files = forward.route, plane.static_files
    file = files.begin(
        route.balancer.name,
        route.balancer.terms.dialect.version,
        route.path + forward.query,
        forwarding.method,
        exchange.request.fields.lines,
        response,
    )
    if file is None:
        return None
    return StaticResponse(files, file, route.response_lines, forwarding, exchange, client)
