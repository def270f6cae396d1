"""Whatever is reported in whatever order: what must always hold of a cluster."""

from __future__ import annotations

import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headgate.cluster import (
    Cluster,
    ClusterPolicy,
    EndpointSnapshot,
    Found,
    ProbeResult,
    Result,
    Unavailable,
    Why,
)
from headgate.cluster.cluster import LEAVE_ZONE_AFTER
from headgate.events import ClusterEvent, EndpointForgotten, EndpointReturned
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure
from headgate.testing.clock import ManualClock
from headgate.testing.policies import cluster_policy
from tests.unit.cluster.replay import Replay

ENDPOINTS = [Endpoint(f"10.0.0.{number}", 5000) for number in range(5)]
SOURCES = ["one", "two"]
FAILURES = (Result.CONNECT_FAILED, Result.RESET)

endpoints = st.sampled_from(ENDPOINTS)
founds = st.builds(
    Found,
    endpoints,
    st.sampled_from([None, "x", "y"]),
    st.sampled_from([None, True, False]),
    priority=st.sampled_from([0, 1]),
)
policies = st.builds(
    cluster_policy,
    healthy_after=st.integers(1, 2),
    unhealthy_after=st.integers(1, 3),
    max_ejected_share=st.sampled_from([0.1, 0.5, 0.8]),
    max_in_flight=st.integers(1, 3),
    memory=st.sampled_from([30.0, 300.0]),
    slow_start=st.sampled_from([0.0, 10.0]),
    zone=st.sampled_from([None, "x"]),
    fail_open=st.booleans(),
)


class AnyOrder(RuleBasedStateMachine):
    """A cluster to which anything may be reported."""

    @initialize(policy=policies, rng=st.randoms(use_true_random=False))
    def start(self, policy: ClusterPolicy, rng: random.Random) -> None:
        self.clock = ManualClock()
        self.policy = policy
        self.replay = Replay(policy)
        self.cluster = Cluster("default", policy, rng, self._told)
        self.leases: list[Endpoint] = []
        self.rows = dict.fromkeys(ENDPOINTS, 0)
        self.retries = 0

    # --- what may happen -----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1, 4, 10, 25, 90, 400]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(found=st.lists(founds, max_size=5), source=st.sampled_from(SOURCES))
    def discovered(self, found: list[Found], source: str) -> None:
        """A refresh clears no ejection, and an empty one changes nothing."""
        now = self.clock()
        before = self._seen()
        self.cluster.discovered(found, source, 10, now)
        after = self._seen()
        if not found:
            assert after == before
        for name, old in before.items():
            new = after[name]
            assert new.ejections == old.ejections
            assert new.results == old.results
            if old.ejected_seconds_left:
                assert new.ejected_seconds_left == old.ejected_seconds_left
            if old.state == "unhealthy" and old.probe_latency is not None:
                assert new.state in ("unhealthy", "draining")
        assert {str(item.endpoint) for item in found} <= {
            name for name, seen in after.items() if seen.state != "draining"
        }

    @rule(source=st.sampled_from(SOURCES))
    def discovery_fails(self, source: str) -> None:
        before = self._seen()
        self.cluster.discovery_failed(
            source, DiscoveryFailure.RESOLVER_FAILED, "SERVFAIL", self.clock()
        )
        assert self._seen() == before

    @rule(ok=st.booleans())
    def due_probes_are_made(self, ok: bool) -> None:
        for endpoint in self.cluster.due_probes(self.clock()):
            assert self.replay.known[endpoint].present
            self.probe_ends(endpoint, ok)
        assert self.cluster.due_probes(self.clock()) == []

    @rule(endpoint=endpoints, ok=st.booleans())
    def probe_ends(self, endpoint: Endpoint, ok: bool) -> None:
        self.cluster.probed(endpoint, ProbeResult(ok, 0.1, "result"), self.clock())

    @rule(avoid=st.sets(endpoints, max_size=2))
    def request_comes(self, avoid: set[Endpoint]) -> None:
        now = self.clock()
        choice = self.cluster.select(now, avoid)
        if isinstance(choice, Unavailable):
            self._is_truly_unavailable(choice)
            return
        self._is_well_chosen(choice, avoid)
        self.cluster.acquire(choice)
        self.leases.append(choice)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), result=st.sampled_from(Result))
    def request_ends(self, data: st.DataObject, result: Result) -> None:
        self._release(data.draw(st.sampled_from(self.leases)), result)

    @rule(endpoint=endpoints, result=st.sampled_from(FAILURES))
    def requests_fail(self, endpoint: Endpoint, result: Result) -> None:
        """Ejections would be too rare if requests failed only here and there."""
        if endpoint in self.replay.known:
            for _ in range(self.policy.ejection_after):
                self.cluster.acquire(endpoint)
                self.leases.append(endpoint)
                self._release(endpoint, result)

    @rule()
    def connections_are_swept(self) -> None:
        gone = self.cluster.removable(self.clock())
        assert not set(gone) & set(self.leases)
        for endpoint in gone:
            assert endpoint not in self.replay.known or not self.replay.known[endpoint].present

    @rule()
    def retry_starts(self) -> None:
        allowed = max(self.policy.min_retries, int(self.policy.retry_share * len(self.leases)))
        assert self.cluster.may_retry() == (self.retries < allowed)
        if self.cluster.may_retry():
            self.cluster.retry_started()
            self.retries += 1

    @precondition(lambda self: self.retries)
    @rule()
    def retry_ends(self) -> None:
        self.cluster.retry_ended()
        self.retries -= 1

    # --- what must hold ------------------------------------------------------------------------

    def _told(self, event: ClusterEvent) -> None:
        self.replay.take(event)
        if isinstance(event, EndpointReturned | EndpointForgotten):
            self.rows[event.endpoint] = 0

    def _release(self, endpoint: Endpoint, result: Result) -> None:
        """Let a request end; the endpoint is ejected when it is due and allowed, and only then."""
        self.cluster.snapshot(self.clock())  # so that the replay knows who has returned
        facts = self.replay.known[endpoint]
        was_in_service = facts.in_service
        others = [one for one in self.replay.present() if one is not facts]
        out = sum(one.ejected_until is not None for one in others)
        most = max(1, int(self.policy.max_ejected_share * (len(others) + 1)))
        self.leases.remove(endpoint)
        if result in FAILURES:
            self.rows[endpoint] += 1
        elif result in (Result.OK, Result.ERROR_STATUS):
            self.rows[endpoint] = 0
        self.cluster.release(endpoint, result, self.clock(), "error")
        is_due = result in FAILURES and self.rows[endpoint] >= self.policy.ejection_after
        is_allowed = was_in_service and out < most and any(one.in_service for one in others)
        assert (was_in_service and not facts.in_service) == (is_due and is_allowed)

    def _is_well_chosen(self, choice: Endpoint, avoid: set[Endpoint]) -> None:
        now = self.clock()
        facts = self.replay.known[choice]
        assert facts.present
        assert self.leases.count(choice) < self.policy.max_in_flight
        others = [
            endpoint
            for endpoint in self.replay.known
            if endpoint not in avoid and self.cluster.available(endpoint, now)
        ]
        if not self.cluster.available(choice, now):
            assert self.policy.fail_open
            assert not others
            assert avoid or not any(one.in_service for one in self.replay.present())
        if choice in avoid:
            assert not others
        if facts.health == "unprobed" and choice not in avoid:
            assert all(self.replay.known[other].health == "unprobed" for other in others)
        if self.cluster.available(choice, now) and choice not in avoid:
            rank = self._rank(choice, avoid)
            assert all(rank <= self._rank(other, avoid) for other in others)

    def _rank(self, endpoint: Endpoint, avoid: set[Endpoint]) -> tuple[bool, int, bool]:
        """The lower comes first: probed ones, then by priority, then those of the zone."""
        seen = self._seen()[str(endpoint)]
        is_remote = self.policy.zone is not None and seen.zone != self.policy.zone
        leaves = len(avoid) >= LEAVE_ZONE_AFTER
        return seen.state == "unprobed", seen.priority, is_remote is not leaves

    def _is_truly_unavailable(self, response: Unavailable) -> None:
        assert 1 <= response.retry_after <= 30
        assert response.text
        present = self.replay.present()
        in_service = [facts for facts in present if facts.in_service]
        if response.why is Why.NONE_KNOWN:
            assert not present
        elif response.why is Why.FULL:
            assert in_service or self.policy.fail_open
            for endpoint, facts in self.replay.known.items():
                if facts.in_service or (facts.present and not in_service):
                    assert self.leases.count(endpoint) >= self.policy.max_in_flight
        else:
            assert present
            assert not in_service
            assert not self.policy.fail_open
            is_unhealthy = any(facts.state == "unhealthy" for facts in present)
            assert response.why is (Why.UNHEALTHY if is_unhealthy else Why.EJECTED)

    @invariant()
    def the_events_tell_every_state(self) -> None:
        seen = self._seen()
        assert self.replay.states() == {name: one.state for name, one in seen.items()}
        sources = self.cluster.snapshot(self.clock()).sources
        assert self.replay.failing == {
            one.source for one in sources if one.failing_seconds is not None
        }

    @invariant()
    def the_predicate_is_what_the_states_say(self) -> None:
        for endpoint, facts in self.replay.known.items():
            has_room = self.leases.count(endpoint) < self.policy.max_in_flight
            is_available = self.cluster.available(endpoint, self.clock())
            assert is_available == (facts.in_service and has_room)
            assert self._seen()[str(endpoint)].available == is_available

    @invariant()
    def requests_under_way_are_counted(self) -> None:
        snapshot = self.cluster.snapshot(self.clock())
        assert snapshot.in_flight == len(self.leases)
        assert snapshot.retries == self.retries
        for endpoint in self.replay.known:
            assert self._seen()[str(endpoint)].in_flight == self.leases.count(endpoint)

    def teardown(self) -> None:
        """All capacity comes back."""
        for endpoint in list(self.leases):
            self.cluster.release(endpoint, Result.CANCELLED, self.clock())
        self.leases.clear()
        self.requests_under_way_are_counted()

    def _seen(self) -> dict[str, EndpointSnapshot]:
        endpoints = self.cluster.snapshot(self.clock()).endpoints
        return {one.endpoint: one for one in endpoints}


TestAnyOrder = AnyOrder.TestCase
