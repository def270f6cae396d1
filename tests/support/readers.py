"""What other parsers than the gate's make of a stream of requests."""

from __future__ import annotations

import h11
import httptools

from tests.support.corpus.case import Reading

_MAX_HEAD = 1024 * 1024


def read_by_h11(stream: bytes) -> list[Reading]:
    """The whole requests in ``stream`` by h11, which MLflow's server reads with by default.

    Raises:
        h11.RemoteProtocolError: when it refuses one.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
    connection.receive_data(stream)
    readings: list[Reading] = []
    request, body = None, bytearray()
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            request, body = event, bytearray()
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            readings.append(Reading(request.method, request.target, bytes(body)))
            connection.send(h11.Response(status_code=204, headers=[]))
            connection.send(h11.EndOfMessage())
            connection.start_next_cycle()
        else:
            return readings


class _Sink:
    """Takes what llhttp finds."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.parser = httptools.HttpRequestParser(self)
        self._target = self._body = b""

    def on_message_begin(self) -> None:
        self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.readings.append(Reading(self.parser.get_method(), self._target, self._body))


def read_by_httptools(stream: bytes) -> list[Reading]:
    """The whole requests in ``stream`` by llhttp, which MLflow's server prefers where it is there.

    Raises:
        httptools.HttpParserError: when it refuses one.
    """
    sink = _Sink()
    sink.parser.feed_data(stream)
    return sink.readings
