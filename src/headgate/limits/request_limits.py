"""The phase admit: the limits that a request must be within to begin.

The data plane asks once for each request, when it is allowed and before anything of it goes to
MLflow, and says once when it has ended.  The first limit is the concurrency limit of a worker
(``limits.in_flight``), which keeps the gate itself alive.  The gate's own pages are exempt: they
must respond most of all when everything else is full.

Then come the limits of each principal (``principal_limits.py``), and any further ``Limit``: each
knows who sends the request, what it asks for, and the time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from headgate.errors import Refusal
from headgate.limits.principal_limits import RETRY_SECONDS, PrincipalLimits
from headgate.model import Operation, Principal
from headgate.reasons import Reason


@mypyc_attr(allow_interpreted_subclasses=True)
class Limit:
    """One limit on what may begin."""

    @abstractmethod
    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        """Count a request, or say why it may not begin; then it is not counted.

        Args:
            principal: who sends it.
            operation: what it asks for.
            now: when its head was complete, in seconds from an arbitrary start.
        """

    @abstractmethod
    def release(self, principal: Principal, operation: Operation) -> None:
        """A request that was counted has ended, or is refused by another limit."""


class RequestLimits:
    """All limits of one worker.

    Args:
        max_in_flight: how many requests may be under way.
        further: asked last, in their order.
        principals: the limits of each principal; by default there are none.

    Attributes:
        in_flight: how many requests are under way.
    """

    def __init__(
        self,
        max_in_flight: int,
        further: Sequence[Limit] = (),
        principals: PrincipalLimits | None = None,
    ) -> None:
        self.in_flight = 0
        self._max_in_flight = max_in_flight
        self._principals: Final = principals
        self._further: Final = list(further)

    def configure(self, max_in_flight: int) -> None:
        """Hold new requests to another concurrency limit."""
        self._max_in_flight = max_in_flight

    def admit(self, principal: Principal, operation: Operation, now: float) -> Refusal | None:
        """Let a request begin, or say why it may not; see ``Limit``."""
        principals = self._principals
        if self.in_flight >= self._max_in_flight and not operation.gate_page:
            if principals is not None:
                principals.on_overload(principal, now)
            return _overloaded(self._max_in_flight)
        if principals is not None:
            refusal = principals.admit(principal, operation, now)
            if refusal is not None:
                return refusal
        if self._further:
            refusal = self._ask_further(principal, operation, now)
            if refusal is not None:
                return refusal
        self.in_flight += 1
        return None

    def release(self, principal: Principal, operation: Operation) -> None:
        """A request that was let begin has ended."""
        self.in_flight -= 1
        principals = self._principals
        if principals is not None:
            principals.release(principal, operation)
        if self._further:
            for limit in self._further:
                limit.release(principal, operation)

    def pause(self, principal: Principal, operation: Operation) -> None:
        """A request that was let begin waits and takes up nothing, until ``resume``."""
        self.in_flight -= 1
        if self._principals is not None:
            self._principals.release(principal, operation)

    def resume(self, principal: Principal, operation: Operation) -> None:
        """It goes on, or ends: it counts again, whatever the limits are."""
        self.in_flight += 1
        if self._principals is not None:
            self._principals.resume(principal, operation)

    def _ask_further(
        self, principal: Principal, operation: Operation, now: float
    ) -> Refusal | None:
        for at in range(len(self._further)):
            refusal = self._further[at].admit(principal, operation, now)
            if refusal is not None:
                for before in range(at):
                    self._further[before].release(principal, operation)
                if self._principals is not None:
                    self._principals.release(principal, operation)
                return refusal
        return None


def _overloaded(limit: int) -> Refusal:
    return Refusal(
        Reason.OVERLOADED,
        "Headgate is busy: too many requests are under way. Nothing was sent to MLflow; send this "
        "request again in a moment.",
        retry_after=RETRY_SECONDS,
        detail=f"{limit} in flight",
    )
