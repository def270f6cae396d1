"""A gate between clients that misbehave and an upstream that does, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import request_head
from tests.support.recording_upstream import RecordedRequest, RecordingUpstream, Script
from tests.support.resources import Resources
from tests.support.scripts import fixed, routed
from tests.support.workers import serving_pid

QUICK_REST = {"HEADGATE_UPSTREAMS__DEFAULT__IDLE_TIMEOUT": "0.2"}
"""For a gate that is waited for until it holds nothing."""
SHORT_PATIENCE = QUICK_REST | {
    "HEADGATE_LIMITS__HEADER_TIMEOUT": "1",
    "HEADGATE_LIMITS__BODY_TIMEOUT": "1",
    "HEADGATE_LIMITS__KEEPALIVE_TIMEOUT": "1",
}
REST_SECONDS = 20.0
FOLDER = "/api/2.0/mlflow-artifacts/artifacts"
"""Below it bodies stream in both directions."""


@dataclass(frozen=True)
class Scene:
    """A running gate, its upstream with one script for each target, and what the gate holds."""

    gate: Gate
    upstream: RecordingUpstream
    key: str
    resources: Resources
    sockets_at_rest: int
    routes: dict[bytes, Script]

    def play(self, name: str, script: Script) -> str:
        """Let the upstream response the target ``name`` by ``script``; return the whole target."""
        target = f"{FOLDER}/{name}"
        self.routes[target.encode()] = script
        return target

    def head(self, method: str, target: str, *fields: str) -> bytes:
        """A request head with the key."""
        return request_head(method, target, bearer(self.key), *fields)

    def arrived(self, target: str) -> list[RecordedRequest]:
        """What has reached the upstream for ``target`` so far."""
        start = f" {target} ".encode()
        return [each for each in self.upstream.requests if start in each.request_line]

    def wait_for_arrival(self, target: str, count: int = 1) -> list[RecordedRequest]:
        """Wait until ``count`` requests for ``target`` have reached the upstream."""
        self.upstream.wait_until(lambda: len(self.arrived(target)) >= count)
        return self.arrived(target)

    def reasons(self, target: str, count: int) -> list[str]:
        """Wait until ``count`` requests for ``target`` are over, and return how they ended."""

        def ended() -> list[str] | None:
            found = [each["reason"] for each in self.gate.outcomes() if each["path"] == target]
            return found if len(found) >= count else None

        return self.gate.process.wait_until(ended, f"{count} outcomes", REST_SECONDS)

    def wait_for_gauge(self, name: str, value: int) -> None:
        """Ask for the metrics until ``name`` has ``value``.

        It asks on one connection that stays: gauges show how things stood at a moment up to half
        a second ago, and a connection for each question might never be open at such a moment.
        """
        line = f"{name} {value}"
        with self.gate.connect() as client:

            def is_there() -> bool:
                client.send(self.head("GET", "/-/metrics"))
                return line in client.response().body.decode().splitlines()

            self.gate.process.wait_until(lambda: is_there() or None, line, REST_SECONDS)

    def rest(self) -> None:
        """Wait until the gate holds no socket more than before its first request."""
        self.gate.process.wait_until(
            lambda: self.resources.sockets <= self.sockets_at_rest or None,
            "the gate to close every connection",
            REST_SECONDS,
        )


@contextmanager
def running_scene(
    folder: Path, environment: Mapping[str, str] = QUICK_REST, program: str = "headgate"
) -> Iterator[Scene]:
    """Run a gate and its upstream until the block ends."""
    routes: dict[bytes, Script] = {}
    key = create_key(folder / "data", "scene")
    with (
        RecordingUpstream(routed(routes, fixed())) as upstream,
        running_gate(folder, upstream.url, environment, program) as gate,
    ):
        resources = Resources(serving_pid(gate.process))
        yield Scene(gate, upstream, key, resources, resources.sockets, routes)
