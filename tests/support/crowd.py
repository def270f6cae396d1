"""Many clients with one connection each, in one event loop; and an MLflow that takes its time."""

from __future__ import annotations

import asyncio
import re
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.raw import request_head

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Tally:
    """What came of the requests of one client, or of several: statuses, and seconds of each 200."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.statuses + other.statuses, self.seconds + other.seconds)

    def quantile(self, share: float) -> float:
        """Seconds in which that share of the good responses came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def median(self) -> float:
        """Seconds in which half of the good responses came."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Client:
    """One connection that sends one request after another.

    Attributes:
        fields: of the request's head.
        pause: seconds between a good response and the next request.
        after_refusal: the same after another response.
        target: of the requests.
        address: from which it comes.
    """

    fields: Sequence[str]
    pause: float = 0.0
    after_refusal: float = 0.0
    target: str = "/api/2.0/mlflow/runs/get?run_id=1"
    address: str = "127.0.0.1"


async def crowd(
    host: str, port: int, clients: Sequence[Client], seconds: float, warm_up: float = 0.0
) -> list[Tally]:
    """Let all clients send for so long, after a time that is not counted."""
    tallies = [Tally() for _ in clients]
    start = time.monotonic() + warm_up
    tasks = [
        asyncio.create_task(_send(host, port, client, tally, start), name="client")  # noqa: TID251
        for client, tally in zip(clients, tallies, strict=True)
    ]
    done, _ = await asyncio.wait(tasks, timeout=warm_up + seconds)
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for each in done:
        each.result()  # a client that has ended has failed
    return tallies


async def _send(host: str, port: int, client: Client, tally: Tally, start: float) -> None:
    reader, writer = await asyncio.open_connection(host, port, local_addr=(client.address, 0))
    try:
        head = request_head("GET", client.target, *client.fields)
        while True:
            sent = time.monotonic()
            writer.write(head)
            status = await _status(reader)
            now = time.monotonic()
            if now >= start:
                tally.statuses[status] += 1
                if status == 200:
                    tally.seconds.append(now - sent)
            pause = client.pause if status == 200 else client.after_refusal
            if pause:
                await asyncio.sleep(pause)
    finally:
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if length is not None:
        await reader.readexactly(int(length[1]))
    return int(head[9:12])


@contextmanager
def slow_mlflow(seconds: float) -> Iterator[str]:
    """A server that responds to each request after so long; yields its URL."""
    loop = asyncio.new_event_loop()
    started: list[asyncio.Server] = []
    ready = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if seconds:
                    await asyncio.sleep(seconds)
                writer.write(_RESPONSE)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def run() -> None:
        started.append(await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024))
        ready.set()

    def whole() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(run())
        loop.run_forever()

    thread = threading.Thread(target=whole, daemon=True)
    thread.start()
    ready.wait(10)
    (server,) = started
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:

        def stop() -> None:
            server.close()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_later(0.1, loop.stop)

        loop.call_soon_threadsafe(stop)
        thread.join(10)
        loop.close()


def row(label: str, tally: Tally) -> str:
    """A line of a table: requests, statuses, and how long the good ones took."""
    statuses = ", ".join(f"{count} x {code}" for code, count in sorted(tally.statuses.items()))
    if not tally.seconds:
        return f"{label:<34} {statuses}"
    times = " ".join(
        f"{name} {1000 * value:6.0f} ms"
        for name, value in (
            ("p50", tally.median),
            ("p99", tally.quantile(0.99)),
            ("max", max(tally.seconds)),
        )
    )
    return f"{label:<34} {times}   {statuses}"
