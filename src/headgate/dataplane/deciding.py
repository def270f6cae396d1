"""What the decision on one request still waits for: a look-up, or the request's body."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from headgate.dataplane.decisions import Decider, Decision, Inspect
from headgate.dataplane.pending_decision import PendingDecision
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide


class Deciding:
    """A decision on its way; for the requests alone that are not decided on immediately.

    Args:
        exchange: of the request.
        client: sends it.
        plane: what all connections share.
        follow: called with each decision; it may be one that waits for something again.
    """

    __slots__ = (
        "_client",
        "_decider",
        "_exchange",
        "_follow",
        "_inspecting",
        "_later",
        "_pending",
        "_plane",
    )

    def __init__(
        self,
        exchange: ExchangeSide,
        client: ClientSide,
        plane: DataPlane,
        follow: Callable[[Decision], None],
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._plane = plane
        self._follow = follow
        # The configuration may be another one when the body has come.
        self._decider: Decider = plane.decider
        self._inspecting: Inspect | None = None
        self._later: Coroutine[Any, Any, Decision] | None = None
        self._pending: PendingDecision | None = None

    @property
    def under_way(self) -> bool:
        """Whether something is being looked up."""
        return self._pending is not None

    @property
    def wants_body(self) -> bool:
        """Whether the decision waits for the request's body."""
        return self._inspecting is not None

    def run(self, decision: Coroutine[Any, Any, Decision]) -> None:
        """Let a decision take its time; until then nothing is read from the client."""
        self._client.pause_reading()
        self._pending = PendingDecision(decision, self._exchange, self._on_decided)

    def run_later(self, decision: Coroutine[Any, Any, Decision]) -> None:
        """Keep a decision that asks MLflow, for ``look_up``."""
        self._later = decision

    def look_up(self) -> None:
        """Run the decision that was kept."""
        decision, self._later = self._later, None
        if decision is not None:
            self._exchange.on_waits(self._plane.clock())  # for MLflow
            self.run(decision)

    def inspect(self, decision: Inspect) -> None:
        """Decide with the body, by the same rules, once that is here: see ``decide_body``."""
        self._decider = self._plane.decider
        self._inspecting = decision

    def decide_body(self, body: bytes) -> None:
        """Decide with the whole body; only when ``wants_body``."""
        asked, self._inspecting = self._inspecting, None
        if asked is not None:
            caller = self._client.caller
            self._follow(self._decider.decide_body(self._exchange.request, caller, asked, body))

    def cancel(self) -> None:
        """The decision is no longer of use."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        if self._later is not None:
            self._later.close()
            self._later = None

    def _on_decided(self, decision: Decision) -> None:
        self._pending = None
        self._exchange.on_goes_on(self._plane.clock())
        self._client.resume_reading()
        self._follow(decision)
