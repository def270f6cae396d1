"""What all connections of one worker share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from headgate.config import Limits
from headgate.creates import CreateTable
from headgate.dataplane.admission import Admission
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connection_states import STAGES
from headgate.dataplane.create_reports import CreateReports
from headgate.dataplane.cuts import Cuts
from headgate.dataplane.decisions import Decider
from headgate.dataplane.ports import SweptConnection
from headgate.dataplane.proxy_protocol import ProxyProtocol
from headgate.dataplane.request_rules import failure_rate, request_rules
from headgate.dataplane.shared_creates import SharedCreates
from headgate.dataplane.static_files import StaticFiles
from headgate.events import Emit, InternalError
from headgate.limits import WorkerLimits, own_buckets
from headgate.model import Outcome
from headgate.wire.origin import Network
from headgate.wire.tracer import Tracer

UNFINISHED_BYTES: Final = 64 * 1024 * 1024
"""What all request heads together may hold that are not complete."""

_TWO_DIGITS: Final = [b"%02x" % number for number in range(256)]


class DataPlane:
    """The data plane of one worker: its limits, its clock and its client connections.

    Args:
        decider: decides on requests.
        limits: bounds on heads, bodies and waiting.
        clock: seconds from an arbitrary start, never going back.
        id_seed: 16 hexadecimal digits, unique to this worker; request ids begin with them.
        trusted_proxies: networks whose forwarding fields are believed.
        account: called with the outcome of each request, exactly once.
        emit: takes the events.
        worker_limits: which requests may begin; by default it shares nothing with other workers.
        tracer: gives requests their place in a trace; by default a client's trace is only passed
            on.

    ``issued`` is the number of request ids that it has given out; ``unfinished_bytes`` is what the
    request heads hold that are not complete.  ``call_soon`` makes a call in the next turn of the
    loop.  ``cuts`` counts the connections that are closed because of a limit.
    ``proxy_protocol`` says which must begin with a PROXY header; by default none.
    ``creates`` is the table of creates in doubt, where the gate has one, and ``create_reports``
    what it lets the other processes of that know; ``shared_creates``, those of all gates.
    """

    def __init__(
        self,
        decider: Decider,
        limits: Limits,
        clock: Callable[[], float],
        id_seed: str,
        trusted_proxies: Sequence[Network] = (),
        *,
        account: Callable[[Outcome], None],
        emit: Emit,
        worker_limits: WorkerLimits | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.clock = clock
        self.account = account
        self.emit = emit
        self.tracer = tracer
        self.cuts = Cuts()
        self.admission = Admission(emit, self.cuts)
        self.proxy_protocol = ProxyProtocol(emit, self.cuts)
        # In the order in which they came, so that what a sweep does has one order.
        self.connections: dict[SweptConnection, None] = {}
        self.static_files = StaticFiles()
        self.creates: CreateTable | None = None
        self.create_reports = CreateReports()
        self.shared_creates: SharedCreates | None = None
        if worker_limits is None:
            worker_limits = WorkerLimits(own_buckets(), clock, emit)
        self._worker_limits = worker_limits
        self.request_limits = worker_limits.requests
        self.tally = worker_limits.tally
        self.unfinished_bytes = 0
        self._unfinished: dict[SweptConnection, int] = {}  # the oldest first
        self.draining = False
        self.emptied = asyncio.Event()
        self.call_soon: Callable[[Callable[[], None]], object] = _call_soon
        self._id_seed = id_seed.encode("ascii")
        self._id_start = b""
        self.issued = 0
        self.configure(decider, limits, trusted_proxies)

    def configure(
        self, decider: Decider, limits: Limits, trusted_proxies: Sequence[Network]
    ) -> None:
        """Decide on new requests in this way; those under way keep what they were given."""
        self.decider = decider
        self.limits = limits
        # Each request asks for these, and an attribute of a model is dear.
        self.head_bytes = int(limits.head_bytes)
        self.max_fields = limits.headers
        self._worker_limits.configure(request_rules(limits), failure_rate(limits))
        self.waits = [stage.wait(limits) for stage in STAGES]
        self.trusted_proxies = trusted_proxies
        self.admission.configure(limits.connections, trusted_proxies)
        for connection in self.connections:
            connection.forget()

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self.request_limits.in_flight

    def serves(self, balancer: Balancer) -> bool:
        """Whether a request under way is for that upstream."""
        return any(connection.balancer is balancer for connection in self.connections)

    def count_writes(self, balancer: Balancer) -> int:
        """How many requests are at that upstream which may change something there."""
        return sum(connection.writes_to(balancer) for connection in self.connections)

    def cut_writes(self, balancer: Balancer) -> None:
        """Cut off the requests at that upstream which may change something there."""
        for connection in tuple(self.connections):
            if connection.writes_to(balancer):
                connection.on_stopped()

    def next_request_id(self) -> bytes:
        """An id that no other request of this installation bears."""
        self.issued += 1
        if not self._id_start or not self.issued & 0xFF:
            self._id_start = b"%b%06x" % (self._id_seed, self.issued >> 8)
        return self._id_start + _TWO_DIGITS[self.issued & 0xFF]

    def sweep(self) -> None:
        """End the waits that have lasted too long; called about once a second.

        One pass over all connections costs less than a timer for each request would.
        """
        now = self.clock()
        self.admission.report(now)
        self.proxy_protocol.report(now)
        self._worker_limits.report(now)
        for connection in tuple(self.connections):
            if connection.deadline <= now or connection.unread:
                self._look_after(connection, now)

    def _look_after(self, connection: SweptConnection, now: float) -> None:
        try:
            if connection.deadline <= now:
                connection.on_deadline(now)
            else:
                connection.look()
        except Exception as error:  # noqa: BLE001
            # Supervisor: a defect ends one connection, and not the sweeping of all others.
            self.emit(InternalError(f"ending a wait of {connection.caller.address}", error))
            connection.abort()

    def leave(self, connection: SweptConnection) -> None:
        """Forget a connection that is closed."""
        self.head_ended(connection)
        if connection in self.connections:
            del self.connections[connection]
            self.admission.leave(connection.stranger)
        if self.draining and not self.connections:
            self.emptied.set()

    def hand_on(self, connection: SweptConnection) -> None:
        """Forget a connection whose socket goes on as another one, which counts anew."""
        self.head_ended(connection)
        del self.connections[connection]
        self.admission.leave(connection.stranger)

    def head_grows(self, connection: SweptConnection, size: int) -> None:
        """Count the ``size`` bytes of a head that is not complete.

        Where all of them together are too much, the one that has taken longest is given up: a head
        that is honest comes whole within moments.
        """
        self.unfinished_bytes += size - self._unfinished.get(connection, 0)
        self._unfinished[connection] = size
        while self.unfinished_bytes > UNFINISHED_BYTES:
            oldest = next(iter(self._unfinished))
            self.head_ended(oldest)
            oldest.on_crowded()

    def head_ended(self, connection: SweptConnection) -> None:
        """Count no longer what is held of a connection's head."""
        if self._unfinished:
            self.unfinished_bytes -= self._unfinished.pop(connection, 0)

    def turn_away(self) -> None:
        """Keep no connection after its next response, but still take new ones."""
        self.draining = True

    def drain(self) -> None:
        """Let running requests finish, close the rest.

        ``emptied`` is set once no connection is left.
        """
        self.draining = True
        if self.connections:
            self.emptied.clear()  # while it only turned away, the last one may have left
        else:
            self.emptied.set()
        for connection in tuple(self.connections):
            connection.on_drain()

    def abort(self) -> None:
        """Cut every client connection; what is under way ends as cut off by the gate."""
        for connection in tuple(self.connections):
            connection.on_stopped()


def _call_soon(callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_soon(callback)
