"""Stands for MLflow where responses are streams of server-sent events.

``python -m bench.peers.stream_server PORT``.  Each GET opens a stream: a head and one event, and
nothing more.  A request with the method ``POST`` sends one more event on each stream that is open,
and responds with their number.
"""

from __future__ import annotations

import asyncio
import sys

from bench.peers.launch import HOST

EVENT = b'data: {"step": 1}\n\n'
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)


class _Server:
    def __init__(self) -> None:
        self._streams: set[asyncio.StreamWriter] = set()

    async def run(self, port: int) -> None:
        server = await asyncio.start_server(self._serve, HOST, port, backlog=2048)
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST "):
                    self._send_everywhere()
                    count = b"%d" % len(self._streams)
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(count), count)
                    )
                else:
                    writer.write(_HEAD + _CHUNK)
                    self._streams.add(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._streams.discard(writer)
            writer.close()

    def _send_everywhere(self) -> None:
        for stream in self._streams:
            stream.write(_CHUNK)


if __name__ == "__main__":
    asyncio.run(_Server().run(int(sys.argv[1])))
