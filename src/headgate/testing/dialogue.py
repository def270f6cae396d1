"""A whole data plane on fakes, to be spoken with from both ends."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from random import Random

from headgate.cluster import Cluster, ClusterPolicy, Found
from headgate.config import Limits, Upstream
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_proxied import accepted
from headgate.dataplane.plane import DataPlane
from headgate.events import Event, discard
from headgate.model import Endpoint, Outcome, Source
from headgate.testing.clock import ManualClock
from headgate.testing.decider import ScriptedDecider
from headgate.testing.messages import Message, response
from headgate.testing.policies import cluster_policy, terms
from headgate.testing.pool import Connecting, ScriptedPool
from headgate.testing.transport import FakeTransport, Peer, Turns
from headgate.upstreams.policies import parking_policy

CLIENT = ("192.0.2.1", 40000)
SEED = "0123456789abcdef"
EPOCH = 1_800_000_000.0
ROUNDING = 1e-6
"""Seconds by which a sum of differences of floats may be wrong."""


class Dialogue:
    """The client's end and MLflow's end of a data plane whose decider is scripted.

    Every verb does one thing and then lets everything happen that follows from it.  ``pools`` has
    one pool for each of MLflow's ``endpoints``; ``pool`` is the first of them.

    ``events`` are those that the data plane has emitted, ``accounted`` all outcomes.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        settings: Upstream | None = None,
        policy: ClusterPolicy | None = None,
        endpoints: int = 1,
    ) -> None:
        self.limits = limits or Limits()
        self.settings = settings or Upstream()
        self.clock = ManualClock()
        self.turns = Turns()
        self.pools = [self._pool(number) for number in range(endpoints)]
        self.pool = self.pools[0]
        self.balancer = self._balancer(policy or cluster_policy(probe_interval=0, slow_start=0))
        self.decider = ScriptedDecider(self.balancer)
        self.events: list[Event] = []
        self.accounted: list[Outcome] = []
        self.plane = DataPlane(
            self.decider,
            self.limits,
            self.clock,
            SEED,
            account=self.accounted.append,
            emit=self.events.append,
        )
        self.plane.call_soon = self.turns.call_soon
        self.balancer.parking.count_writes = lambda: self.plane.count_writes(self.balancer)
        self._clients: list[Peer] = []
        self._told = 0

    def _pool(self, number: int) -> ScriptedPool:
        endpoint = Endpoint("127.0.0.1", 5000 + number)
        return ScriptedPool(self.turns, self.clock, self.settings, self.limits, endpoint)

    def _balancer(self, policy: ClusterPolicy) -> Balancer:
        """The way to endpoints that are always there."""
        self.cluster = Cluster("default", policy, Random(0), discard)  # noqa: S311
        pools = {pool.endpoint: pool for pool in self.pools}
        self.cluster.discovered([Found(endpoint) for endpoint in pools], "test", None, self.clock())
        return Balancer(
            self.cluster,
            pools.__getitem__,
            terms=terms(self.settings),
            clock=self.clock,
            parking=parking_policy(self.settings),
            wall_clock=self.wall_clock,
        )

    def wall_clock(self) -> float:
        """Seconds since the epoch."""
        return EPOCH + self.clock()

    # --- the ends --------------------------------------------------------------------------

    def client(self, *, tls: bool = False) -> Peer:
        """A client connects."""
        return self._connects(ClientConnection(self.plane, "https" if tls else "http"), tls=tls)

    def proxy(self, network: str = "192.0.2.0/24") -> Peer:
        """A client connects where proxies of ``network`` must send a PROXY header."""
        self.plane.proxy_protocol.networks = (ipaddress.ip_network(network),)
        return self._connects(accepted(self.plane))

    def _connects(self, connection: asyncio.Protocol, *, tls: bool = False) -> Peer:
        peer = Peer(self.turns, FakeTransport(self.turns, connection, CLIENT, tls=tls))
        self._clients.append(peer)
        self.turns.run()
        return peer

    @property
    def pending(self) -> list[Connecting]:
        """The connections to MLflow that are being opened."""
        return [connecting for pool in self.pools for connecting in pool.pending]

    @property
    def mlflows(self) -> list[Peer]:
        """MLflow's ends of all connections that were opened."""
        return [peer for pool in self.pools for peer in pool.peers]

    def mlflow_accepts(self) -> Peer:
        """MLflow accepts the connection that is being opened; returns its end."""
        (connecting,) = self.pending
        peer = connecting.succeeds()
        self.turns.run()
        return peer

    def mlflow_responds(self) -> list[bytes]:
        """MLflow accepts all connections that are being opened, and responds to each request.

        Returns their request lines, in the order in which the connections were asked for.
        """
        peers = [connecting.succeeds() for connecting in self.pending]
        self.turns.run()
        lines = []
        for peer in peers:
            message = Message.of(peer.received())
            lines.append(message.line)
            peer.sends(response(200))
        return lines

    def mlflow_refuses(self) -> None:
        """MLflow does not accept the connection that is being opened."""
        (connecting,) = self.pending
        connecting.fails(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        self.turns.run()

    def mlflow_is_idle(self) -> Peer:
        """There is an idle connection to MLflow, which has served before; returns MLflow's end."""
        return self.pool.open_idle()

    # --- what happens beside ---------------------------------------------------------------

    def passes(self, seconds: float) -> None:
        """Time passes, and the sweeps that are due take place, once a second."""
        while seconds > 0:
            step = min(seconds, 1.0)
            self.clock.advance(step)
            self.sweeps()
            seconds -= step

    def sweeps(self) -> None:
        """The worker looks for waits that have lasted too long."""
        self.plane.sweep()
        self.balancer.sweep()
        self.turns.run()

    def drains(self) -> None:
        """The worker begins to stop."""
        self.plane.drain()
        self.turns.run()

    # --- what came of it -------------------------------------------------------------------

    def outcomes(self) -> list[Outcome]:
        """The outcomes since the last call."""
        told, self._told = self._told, len(self.accounted)
        return self.accounted[told:]

    def outcome(self) -> Outcome:
        """The one outcome since the last call."""
        (outcome,) = self.outcomes()
        return outcome

    def ends(self) -> None:
        """All clients leave; nothing may be left behind.

        Raises:
            AssertionError: a connection or an exchange has leaked, or a request has not ended in
                exactly one outcome.
        """
        for client in self._clients:
            client.resets()
        self.turns.run()
        ids = [outcome.request_id for outcome in self.accounted]
        cluster = self.balancer.snapshot()
        problems = {
            "open client connections": len(self.plane.connections),
            "busy connections to MLflow": sum(pool.busy for pool in self.pools),
            "open connections to MLflow that nobody holds": sum(
                not peer.closed() for peer in self.mlflows
            )
            - sum(pool.size for pool in self.pools),
            "requests counted as under way": self.plane.in_flight,
            "requests counted as under way at MLflow": cluster.in_flight,
            "retries counted as under way": cluster.retries,
            "requests that wait for room": cluster.waiting,
            "requests that are held": len(self.balancer.parking.holds),
            "requests that were released and went nowhere": self.balancer.parking.holds.going,
            "second outcomes": len(ids) - len(set(ids)),
            "what does not fit together in outcomes": [
                what for each in self.accounted for what in misfits(each)
            ],
            "requests without outcome": self.plane.issued
            - len({each for each in ids if each.startswith(SEED.encode())}),
        }
        found = {what: count for what, count in problems.items() if count}
        if found:
            raise AssertionError(f"left behind: {found}")


def misfits(outcome: Outcome) -> list[str]:
    """What of an outcome cannot be true together: its times, its attempts and its source."""
    one = outcome
    failed = sum(each.ended - each.began for each in one.retries)
    true = {
        "gate_duration": 0.0 <= one.gate_duration <= one.duration,
        "sent_after": 0.0 <= one.sent_after <= one.duration,
        "first_byte_after": 0.0 <= one.first_byte_after <= one.duration,
        "waits": one.queue_duration + one.hold_duration + one.connect_duration
        <= one.duration + ROUNDING,
        "failed attempts": one.gate_duration + failed <= one.duration + ROUNDING,
        "retries": len(one.retries) <= one.attempts,
        "their times": all(0.0 <= each.began <= each.ended <= one.duration for each in one.retries),
        "source": bool(one.status) == (one.source is not Source.NONE),
        "message": not one.message or one.source is Source.GATE,
    }
    if one.sent_after or one.upstream_duration:
        end = one.sent_after + one.upstream_duration
        true["upstream_duration"] = abs(end - one.duration) <= ROUNDING
        true["gate before sent"] = one.gate_duration <= one.sent_after
        true["sent before first byte"] = one.sent_after <= one.first_byte_after or not one.status
    return [name for name, is_true in true.items() if not is_true]
