"""Connections to one endpoint of MLflow: kept while fresh, opened when none is."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from mypy_extensions import mypyc_attr

from headgate.config import Upstream
from headgate.dataplane.connections.dial import Dial, dial_tcp
from headgate.dataplane.connections.upstream import ConnectionOwner, UpstreamConnection
from headgate.model import Endpoint
from headgate.tasks import FairTimeout

LOOK_SECONDS: Final = 5.0
"""How often the kernel is asked whether connections in use lead anywhere."""


class Waiter(Protocol):
    """Waits for a new connection."""

    def on_connected(self, connection: UpstreamConnection) -> None:
        """Take the connection; it is the waiter's until it is given back or closed."""

    def on_connect_failed(self, endpoint: Endpoint, error: OSError) -> None:
        """Learn that none could be opened."""


@mypyc_attr(allow_interpreted_subclasses=True)  # the doubles of the tests are some
class Pool(ConnectionOwner):
    """The connections to one endpoint.

    ``host_header`` is the ``Host`` that MLflow accepts there; ``authorities`` are the names
    (``host:port``, lower case) by which it is known inside and which no client may be shown.

    The most recently used one is taken first, so that surplus ones grow old and are closed
    before MLflow closes its side.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Upstream,
        *,
        host_header: bytes,
        authorities: frozenset[str],
        head_bytes: int,
        max_fields: int,
        clock: Callable[[], float],
        dial: Dial = dial_tcp,
    ) -> None:
        self.endpoint = endpoint
        self.name = str(endpoint)
        self.host_header = host_header
        self.authorities = authorities
        # Each request asks for these, and an attribute of a model is dear.
        self._idle_timeout = settings.idle_timeout
        self._idle_connections = settings.idle_connections
        self._connect_timeout = settings.connect_timeout
        self._head_bytes = head_bytes
        self._max_fields = max_fields
        self._clock = clock
        self._dial = dial
        self._retired = False
        self._look_at = 0.0
        self._idle: deque[UpstreamConnection] = deque()
        self._busy: dict[UpstreamConnection, None] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return (
            f"<Pool {self.name}: {len(self._busy)} busy, {len(self._idle)} idle, "
            f"{len(self._connecting)} connecting>"
        )

    @property
    def size(self) -> int:
        """Open connections and those being opened."""
        return len(self._busy) + len(self._idle) + len(self._connecting)

    def take(self) -> UpstreamConnection | None:
        """A connection that is open and fresh, if there is one."""
        oldest = self._clock() - self._idle_timeout
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable or connection.idle_since < oldest:
                connection.abort()
                continue
            self._busy[connection] = None
            return connection
        return None

    def connect(self, waiter: Waiter) -> asyncio.Task[None]:
        """Open a connection and hand it to ``waiter``; cancelling the task takes that back."""
        task = asyncio.get_running_loop().create_task(
            self._connect(waiter), name=f"connect {self.name}"
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return task

    async def _connect(self, waiter: Waiter) -> None:
        try:
            async with FairTimeout(self._connect_timeout):
                connection = await self._dial(self.endpoint, self._make)
            if not connection.usable:  # a balancer without a server behind it does that
                raise ConnectionResetError("closed as soon as it was open")
        except TimeoutError:
            limit = self._connect_timeout
            error = TimeoutError(f"no connection within {limit:g} s")
            waiter.on_connect_failed(self.endpoint, error)
        except OSError as error:
            waiter.on_connect_failed(self.endpoint, error)
        except (ValueError, OverflowError) as problem:  # a name or a port that cannot be
            waiter.on_connect_failed(self.endpoint, OSError(errno.EINVAL, str(problem)))
        else:
            self._busy[connection] = None
            waiter.on_connected(connection)

    def _make(self) -> UpstreamConnection:
        return UpstreamConnection(self, self._head_bytes, self._max_fields)

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, unless enough are kept."""
        self._busy.pop(connection, None)
        if self._retired or len(self._idle) >= self._idle_connections:
            connection.abort()
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Drop a connection that is closed."""
        self._busy.pop(connection, None)
        if not connection.receiver and connection in self._idle:
            self._idle.remove(connection)

    def sweep(self) -> None:
        """Close what has rested too long, and end exchanges whose MLflow stays silent."""
        now = self._clock()
        while self._idle and self._idle[0].idle_since < now - self._idle_timeout:
            self._idle.popleft().abort()
        looks = self._look_at <= now
        if looks:
            self._look_at = now + LOOK_SECONDS
        for connection in tuple(self._busy):
            if connection.deadline <= now:
                connection.on_silence()
            elif looks:
                connection.look()

    def fail_over(self) -> None:
        """The endpoint is unhealthy and others are in service: retry there what may be retried."""
        for connection in tuple(self._busy):
            if connection.receiver is not None:
                connection.receiver.on_endpoint_down()

    def retire(self) -> None:
        """Keep no connection longer than the exchange it serves: nothing new will come."""
        self._retired = True
        for connection in tuple(self._idle):
            connection.abort()

    def close(self) -> None:
        """Close every connection."""
        for task in tuple(self._connecting):
            task.cancel()
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()
