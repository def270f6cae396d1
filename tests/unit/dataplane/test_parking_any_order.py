"""Parks, requests and time in any order: nothing passes a park, nothing is lost, all holds end."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headgate.config import Limits, Upstream
from headgate.dataplane.decisions import Decision, Forward, Route
from headgate.maintenance import Directive, Park, ParkState
from headgate.model import Principal
from headgate.testing.decider import LENGTH, PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request
from headgate.testing.policies import cluster_policy
from headgate.testing.transport import Peer
from headgate.wire.request import Request

HOLD = 20.0
ROOM = 4
NAMES = st.sampled_from(["ada", "bob"])
CLOSED = (ParkState.DRAINING, ParkState.PARKED, ParkState.REFUSING)


@dataclass
class Sent:
    """A request, and what its client has received."""

    name: str
    number: int
    at: float
    client: Peer
    received: bytes = b""

    def look(self) -> None:
        self.received += self.client.received()

    @property
    def status(self) -> bytes:
        return self.received[9:12]


class Parks(RuleBasedStateMachine):
    """One worker; operators, clients and MLflow do what they want."""

    def __init__(self) -> None:
        super().__init__()
        policy = cluster_policy(
            probe_interval=0, slow_start=0, max_in_flight=ROOM, queue_size=1000, queue_timeout=1000
        )
        # Each request has a connection of its own: MLflow is asked in the order of `pending`.
        upstream = Upstream.model_validate({"parking": {"hold": HOLD}, "idle_connections": 0})
        self.dialogue = Dialogue(Limits(in_flight=5000), upstream, policy)
        self.sent: list[Sent] = []
        self.gone: set[int] = set()
        self.reached: list[bytes] = []
        self.parks = 0

    @property
    def state(self) -> ParkState:
        return self.dialogue.balancer.maintenance.state

    def tell(self, park: Park | None) -> None:
        maintenance = self.dialogue.balancer.maintenance
        revision = maintenance.directive.revision + 1
        maintenance.take(Directive("default", revision, park, asked=revision))
        self.dialogue.turns.run()

    # --- what may happen -------------------------------------------------------------------

    @rule(name=NAMES)
    def asks(self, name: str) -> None:
        number = len(self.sent)
        target = f"/of/{name}/{number}"
        principal: Principal = replace(PRINCIPAL, id=f"p_{name}", name=name)
        balancer = self.dialogue.balancer

        def decide(asked: Request) -> Decision:
            return Forward(Route(balancer, asked.target, b"", LENGTH), b"", principal)

        self.dialogue.decider.script[target.encode()] = decide
        before, is_closed = len(self.dialogue.pending), self.state in CLOSED
        client = self.dialogue.client()
        client.sends(request(f"POST {target}"))
        self.sent.append(Sent(name, number, self.dialogue.clock(), client))
        if is_closed and self.state in CLOSED:
            assert len(self.dialogue.pending) == before, "it has passed a park"

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        leaving = data.draw(st.sampled_from(self.waiting()))
        leaving.client.resets()
        self.dialogue.turns.run()
        self.gone.add(leaving.number)

    @rule(seconds=st.integers(1, 60), lease=st.booleans())
    def park(self, seconds: int, lease: bool) -> None:
        self.parks += 1
        now = self.dialogue.wall_clock()
        self.tell(Park(f"{self.parks:016x}", "ada", "why", now, now + seconds, lease))

    @rule(seconds=st.integers(1, 60))
    def renew(self, seconds: int) -> None:
        park = self.dialogue.balancer.maintenance.directive.park
        if park is not None and park.lease:
            self.tell(replace(park, ends_at=self.dialogue.wall_clock() + seconds))

    @rule()
    def unpark(self) -> None:
        self.tell(None)

    @rule(seconds=st.integers(1, 15))
    def passes(self, seconds: int) -> None:
        self.dialogue.passes(seconds)

    @rule()
    def responds(self) -> None:
        self.reached += self.dialogue.mlflow_responds()

    # --- what must be so -------------------------------------------------------------------

    def waiting(self) -> list[Sent]:
        for each in self.sent:
            each.look()
        return [each for each in self.sent if not each.received and each.number not in self.gone]

    @invariant()
    def every_hold_ends_in_time(self) -> None:
        assert len(self.dialogue.balancer.parking.holds) <= len(self.waiting())
        for outcome in self.dialogue.accounted:
            assert outcome.hold_duration <= HOLD + 1.0
        for each in self.sent:
            assert each.status in (b"", b"200", b"429")

    @invariant()
    def the_endpoint_is_never_over_its_limit(self) -> None:
        assert len(self.dialogue.pending) <= ROOM

    @invariant()
    def nobody_overtakes(self) -> None:
        for name in ("ada", "bob"):
            start = f"POST /of/{name}/".encode()
            own = [line for line in self.reached if line.startswith(start)]
            numbers = [int(line.split()[1].rpartition(b"/")[2]) for line in own]
            assert numbers == sorted(numbers)
            assert len(numbers) == len(set(numbers)), "a request went to MLflow twice"

    def teardown(self) -> None:
        self.tell(None)
        for _ in range(200):
            self.dialogue.passes(1)
            self.reached += self.dialogue.mlflow_responds()
            if not self.waiting():
                break
        assert not self.waiting(), "a request was lost"
        assert self.state is ParkState.SERVING or not self.sent
        self.dialogue.passes(6)
        assert self.state is ParkState.SERVING
        assert not self.dialogue.balancer.busy
        self.dialogue.ends()


TestParks = Parks.TestCase
TestParks.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
