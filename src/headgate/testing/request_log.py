"""What requests reached a server, read from the bytes that pass between it and its clients."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import httptools


@dataclass(frozen=True)
class Arrival:
    """One request that passed whole.

    ``digest`` is of its body; ``request_id`` is what ``X-Request-ID`` says, or nothing.
    """

    method: str
    path: str
    digest: str
    request_id: str


@dataclass
class RequestLog:
    """Every request that passed, over all connections; ``unreadable``: messages that broke."""

    arrivals: list[Arrival] = field(default_factory=list)
    unreadable: int = 0


class Passing:
    """The requests and answers of one connection, none of them to HEAD."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._requests = _Requests(log)
        self._responses = _Messages()
        self._asking = httptools.HttpRequestParser(self._requests)
        self._requests.parser = self._asking
        self._answering = httptools.HttpResponseParser(self._responses)

    @property
    def idle(self) -> bool:
        """Whether every request that has begun is answered."""
        return self._requests.begun == self._responses.complete

    def asked(self, data: bytes) -> None:
        """The client sent these bytes."""
        self._feed(self._asking, data)

    def answered(self, data: bytes) -> None:
        """The server sent these bytes."""
        self._feed(self._answering, data)

    def _feed(
        self, parser: httptools.HttpRequestParser | httptools.HttpResponseParser, data: bytes
    ) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            self._log.unreadable += 1


class _Messages:
    """llhttp's callbacks for one side: counts."""

    def __init__(self) -> None:
        self.begun = 0
        self.complete = 0

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_message_complete(self) -> None:
        self.complete += 1


class _Requests(_Messages):
    """The same for the client's side: each request is logged once it is complete."""

    parser: httptools.HttpRequestParser

    def __init__(self, log: RequestLog) -> None:
        super().__init__()
        self._log = log

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._target = b""
        self._request_id = ""
        self._body = hashlib.sha256()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self._request_id = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.update(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        method = self.parser.get_method().decode("ascii")
        path = self._target.partition(b"?")[0].decode("latin-1")
        self._log.arrivals.append(Arrival(method, path, self._body.hexdigest(), self._request_id))
