"""A line to a database on another machine: each round trip takes some milliseconds more.

MLflow beside its database holds a connection for so short a time that few are taken together; one
whose database is a network away is what most have.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 1 << 16


class Line:
    """A line.

    Attributes:
        port: to connect to.
        seconds: by which each direction is delayed from now on.
    """

    def __init__(self) -> None:
        self.port = 0
        self.seconds = 0.0


@contextmanager
def line_to(port: int) -> Iterator[Line]:
    """Pass connections on to a port of this machine, without a delay at first."""
    line = Line()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda there, back: _pass_on(there, back, port, line), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        line.port = int(server.sockets[0].getsockname()[1])
        yield line
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, line: Line
) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_delay(reader, back, line), _delay(there, writer, line))


async def _delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
    """Write what is read, each piece so much later; the end, too."""
    loop = asyncio.get_running_loop()
    try:
        while piece := await reader.read(PIECE):
            loop.call_later(line.seconds, writer.write, piece)
    except ConnectionError:
        pass  # the end that is passed on says so
    loop.call_later(line.seconds, writer.close)
