"""A scripted TCP server in place of MLflow: it records each byte and answers as a script says.

A script is a function of one ``Exchange``: it reads of the request what it wants, sends what it
wants, and returns for the connection to be kept alive.  ``tests.support.scripts`` makes the
common ones::

    with RecordingUpstream(fixed(b"{}")) as upstream:
        ...                            # point the gate at upstream.url and send a request
        request = upstream.request(0)  # waits until the first request is complete
        assert request.request_line == b"GET /version HTTP/1.1"
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.byte_stream import WAIT_SECONDS, ByteStream, ClosedError

_POLL_SECONDS = 0.02
_READ_SIZE = 65536


class _StoppedError(Exception):
    """The upstream is being stopped; a script that waits gives up."""


class _TappedStream(ByteStream):
    """Keeps every byte that it receives, whatever is made of it."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.received = bytearray()

    def _fill(self) -> bool:
        before = len(self._unread)
        filled = super()._fill()
        self.received += self._unread[before:]
        return filled


@dataclass
class RecordedRequest:
    """What arrived of one request, byte for byte.

    ``connection`` numbers the connections in the order of their acceptance.  ``raw_body`` keeps
    the chunk framing that ``body`` lacks.  ``complete``: the whole body was read.
    ``disconnected``: the peer ended the connection before the script had returned.
    """

    connection: int
    head: bytes
    raw_body: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    disconnected: bool = False

    @property
    def request_line(self) -> bytes:
        """The first line, without its line end."""
        return self.head.split(b"\r\n", 1)[0]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """Header names and values in order, names exactly as sent."""
        parts = (line.partition(b":") for line in self.head[:-4].split(b"\r\n")[1:])
        return [(name, value.strip(b" \t")) for name, _, value in parts]

    def all(self, name: bytes) -> list[bytes]:
        """Every value of the header ``name``, whatever its case."""
        return [value for key, value in self.fields if key.lower() == name.lower()]


class RecordingUpstream:
    """Listens on a free loopback port from its creation until ``stop``; a context manager.

    The n-th request to arrive is answered by the n-th script; the last script answers all that
    follow.  With ``tls`` it speaks HTTPS.  Waits of the test end after ``WAIT_SECONDS`` with an
    ``AssertionError``.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[RecordedRequest] = []
        self.connections = 0
        self.scripts = list(scripts)
        self._tls = tls
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._streams: list[_TappedStream] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._start(self._accept)

    @property
    def url(self) -> str:
        """The address to give to the gate."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def received(self) -> list[bytes]:
        """Every byte of each connection so far, the connections in the order of acceptance."""
        return [bytes(stream.received) for stream in self._streams]

    def forget(self, *scripts: Script) -> None:
        """Begin anew for the next test, with what it is to respond."""
        with self._changed:
            self.requests.clear()
            self.scripts[:] = scripts

    def request(self, index: int) -> RecordedRequest:
        """Wait until the request ``index`` (from 0) has arrived whole, and return it."""
        self.wait_until(lambda: len(self.requests) > index and self.requests[index].complete)
        return self.requests[index]

    def disconnected_request(self, index: int) -> RecordedRequest:
        """Wait until the peer has ended the connection within request ``index``; return it."""
        self.wait_until(lambda: len(self.requests) > index and self.requests[index].disconnected)
        return self.requests[index]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition``, which looks at what is recorded, holds."""
        with self._changed:
            if not self._changed.wait_for(condition, WAIT_SECONDS):
                seen = [(request.request_line, len(request.body)) for request in self.requests]
                raise AssertionError(f"the upstream has recorded only {seen}")

    def record(self, change: Callable[[], None]) -> None:
        """Change what is recorded, and wake the test if it waits for that."""
        with self._changed:
            change()
            self._changed.notify_all()

    def wait_for(self, event: threading.Event) -> None:
        """Hold a script until the test sets ``event``; leave the script at ``stop``."""
        while not event.wait(_POLL_SECONDS):
            if self._stopped.is_set():
                raise _StoppedError

    def stop(self) -> None:
        """Close every connection and wait for every thread to end; a second call does nothing."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self._threads[0].join()
        for stream in self._streams:
            stream.shut()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # `stop` shut the listener
            if self._tls is not None:  # the handshake is done by the thread that reads first
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            self._welcome(_TappedStream(connection))

    def _welcome(self, stream: _TappedStream) -> None:
        self._streams.append(stream)
        with self._changed:
            number = self.connections
            self.connections += 1
            self._changed.notify_all()
        self._start(lambda: self._serve(stream, number))

    def _serve(self, stream: ByteStream, number: int) -> None:
        with stream:
            while stream.is_open:
                try:
                    head = stream.receive_until(b"\r\n\r\n")
                except (OSError, ClosedError):
                    return  # the peer keeps the connection no longer
                self._response(stream, RecordedRequest(number, head))

    def _response(self, stream: ByteStream, request: RecordedRequest) -> None:
        with self._changed:
            script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
            self.requests.append(request)
            self._changed.notify_all()
        try:
            script(Exchange(self, stream, request))
        except (OSError, ClosedError, _StoppedError):
            self.record(lambda: setattr(request, "disconnected", True))
            stream.close()


class Exchange:
    """One request and its response, for a script to carry out step by step."""

    def __init__(
        self, upstream: RecordingUpstream, stream: ByteStream, request: RecordedRequest
    ) -> None:
        self.request = request
        self._upstream = upstream
        self._stream = stream

    def read_body(self) -> bytes:
        """Read the rest of the request body and return the whole of it, without framing."""
        if not self.request.complete:
            if self.request.all(b"transfer-encoding"):
                self._read_chunks()
            else:
                length = int((self.request.all(b"content-length") or [b"0"])[0])
                self.read_some(length - len(self.request.body))
            self._upstream.record(lambda: setattr(self.request, "complete", True))
        return bytes(self.request.body)

    def read_some(self, size: int) -> None:
        """Read and record ``size`` bytes of the body's data, and leave the rest unread."""
        while size:
            data = self._stream.receive_some(min(size, _READ_SIZE))
            if not data:
                raise ClosedError("closed inside the request body")
            self._record(data, is_framing=False)
            size -= len(data)

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self._stream.send(data)

    def wait_for(self, event: threading.Event) -> None:
        """Hold the script until the test sets ``event``."""
        self._upstream.wait_for(event)

    def wait_for_disconnect(self) -> None:
        """Hold the script until the peer ends the connection, in order or by reset."""
        self._stream.receive_to_end()
        raise ClosedError("the peer ended the connection, as the script expects")

    def say_close(self) -> None:
        """Send TLS's notice that the connection ends, and wait for the gate's own."""
        self._stream.say_close()

    def reset(self) -> None:
        """Break the connection off: the gate sees a reset."""
        self._stream.reset()

    def close(self) -> None:
        """Close the connection in order."""
        self._stream.close()

    def _read_chunks(self) -> None:
        while size := int(self._line().split(b";")[0], 16):
            self.read_some(size)
            self._line()
        while self._line() != b"\r\n":
            continue  # a trailer field

    def _line(self) -> bytes:
        line = self._stream.receive_until(b"\r\n")
        self._record(line, is_framing=True)
        return line

    def _record(self, data: bytes, *, is_framing: bool) -> None:
        def change() -> None:
            self.request.raw_body.extend(data)
            if not is_framing:
                self.request.body.extend(data)

        self._upstream.record(change)


Script = Callable[[Exchange], None]
