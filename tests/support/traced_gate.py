"""A gate that exports to a receiver in the test, before a scripted MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.gate import Gate, create_key, running_gate
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

SERVER, CLIENT = 2, 3
"""Kinds of spans."""
ERROR = 2
"""The status of a span."""


@dataclass
class Traced:
    """The gate, where it exports to, what stands behind it, and a key."""

    gate: Gate
    receiver: OtlpReceiver
    upstream: RecordingUpstream
    key: str

    def ask(self, agent: str, *fields: str, target: str = "/version") -> RawResponse:
        """Send a request that its user agent tells from all others."""
        return self.gate.ask("GET", target, f"User-Agent: {agent}", *fields, key=self.key)

    def span(self, agent: str) -> ReceivedSpan:
        """The server span of that request."""
        return self.receiver.span(
            lambda each: each.kind == SERVER and each.attributes.get("user_agent.original") == agent
        )

    def spans_after(self, agent: str) -> set[str]:
        """The user agents of all server spans, once that of ``agent`` has come."""
        self.span(agent)
        return {
            each.attributes.get("user_agent.original", "")
            for each in self.receiver.spans
            if each.kind == SERVER
        }


def settings(receiver: OtlpReceiver, **more: str) -> dict[str, str]:
    """Export everything, soon; ``more`` are settings below ``telemetry``."""
    chosen = {"OTLP__ENDPOINT": receiver.url, "OTLP__INTERVAL": "1", "TRACES__RATIO": "1"}
    chosen |= {name.upper(): value for name, value in more.items()}
    return {f"HEADGATE_TELEMETRY__{name}": value for name, value in chosen.items()}


@contextmanager
def traced(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    receiver: OtlpReceiver | None = None,
    **more: str,
) -> Iterator[Traced]:
    """Run one; ``environment`` and ``more`` are its settings."""
    key = create_key(folder / "data", "ci")
    with RecordingUpstream(fixed()) as upstream, receiver or OtlpReceiver() as where:
        chosen = settings(where, **more) | dict(environment or {})
        with running_gate(folder, upstream.url, chosen) as gate:
            yield Traced(gate, where, upstream, key)
