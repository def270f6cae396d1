"""The debug lines about requests, made of their outcomes.

Nothing is asked on the hot path: while no part of the gate is at ``debug``, no sink is subscribed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from headgate.events import (
    Emit,
    EndpointsTried,
    Event,
    RequestRouted,
    RequestTimed,
    SenderIdentified,
)
from headgate.model import Outcome
from headgate.telemetry.outcome_sinks import OutcomeSinks
from headgate.telemetry.redact import shown_path

NAME: Final = "debug lines"


class DebugLines:
    """Subscribes to outcomes while it is needed.

    Args:
        sinks: where to.
        emit: takes the lines, as events.
    """

    def __init__(self, sinks: OutcomeSinks, emit: Emit) -> None:
        self._sinks = sinks
        self._emit = emit

    def follow(self, modules: Collection[str]) -> None:
        """Take the modules that are at ``debug`` from now on."""
        makers = [make for module, make in _MAKERS.items() if module in modules]
        if not makers:
            self._sinks.unsubscribe(NAME)
            return

        def lines(outcome: Outcome) -> None:
            for make in makers:
                event = make(outcome)
                if event is not None:
                    self._emit(event)

        self._sinks.subscribe(NAME, lines)


def _sender(outcome: Outcome) -> Event:
    principal = outcome.principal
    return SenderIdentified(
        _request_id(outcome),
        principal.name,
        principal.id,
        principal.method.value,
        principal.credential,
        principal.grants.roles,
        outcome.reason.value,
        outcome.detail,
    )


def _routed(outcome: Outcome) -> Event:
    operation = outcome.operation
    return RequestRouted(
        _request_id(outcome),
        outcome.method.decode("latin-1"),
        shown_path(outcome.target).decode("latin-1"),
        None if operation is None else operation.name,
        _path(outcome.canonical),
        outcome.upstream or None,
        _path(outcome.path),
    )


def _path(path: bytes) -> str | None:
    return shown_path(path).decode("latin-1") or None


def _tried(outcome: Outcome) -> Event | None:
    if not outcome.attempts:
        return None
    failed = [f"{each.endpoint}: {each.failure.value}, {each.detail}" for each in outcome.retries]
    return EndpointsTried(
        _request_id(outcome), outcome.upstream, outcome.endpoint, outcome.attempts, tuple(failed)
    )


def _timed(outcome: Outcome) -> Event:
    return RequestTimed(
        _request_id(outcome),
        outcome.queue_duration,
        outcome.connect_duration,
        outcome.sent_after,
        outcome.first_byte_after,
        outcome.duration,
    )


def _request_id(outcome: Outcome) -> str:
    return outcome.request_id.decode("latin-1")


_MAKERS: Final[dict[str, Callable[[Outcome], Event | None]]] = {
    "auth": _sender,
    "routing": _routed,
    "cluster": _tried,
    "dataplane": _timed,
}
