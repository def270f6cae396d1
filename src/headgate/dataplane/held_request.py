"""A request that is held for a parked upstream before anything is done for it.

That is so where the gate would have to collect its body or to look something up in MLflow first:
many that are held must not fill the memory.  All others are held where they choose an endpoint
(``responders/attempts.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from headgate.dataplane import failures
from headgate.dataplane.balancer import Balancer, refusal
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.errors import Refusal
from headgate.model import Phase


class HeldRequest:
    """Waits for the end of a park.

    Once it is released it counts as *going* until it has a place at an endpoint, or its exchange
    ends, so that no more are released than MLflow can take, however long their bodies take to come.

    Args:
        exchange: whose request it is.
        client: sends it.
        plane: what all connections share.
        balancer: of the upstream.
        go_on: called when it is released.
    """

    __slots__ = ("_balancer", "_client", "_exchange", "_go_on", "_going", "_plane", "_since")

    def __init__(
        self,
        exchange: ExchangeSide,
        client: ClientSide,
        plane: DataPlane,
        balancer: Balancer,
        go_on: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._client = client
        self._plane = plane
        self._balancer = balancer
        self._go_on = go_on
        self._since = 0.0  # 0 while it does not wait
        self._going = False

    def begin(self, *, writes: bool) -> bool:
        """Hold the request if operators stop it now; whether they do.

        Where it cannot be held it has been refused.

        Args:
            writes: whether it may change something at MLflow.
        """
        exchange, parking = self._exchange, self._balancer.parking
        why = parking.stopped(exchange.principal, writes=writes)
        if why is None:
            return False
        deadline = exchange.started + parking.policy.longest_hold(is_export=exchange.exports)
        self._since = self._plane.clock()
        if self._plane.draining or not self._balancer.queue(
            self, why, exchange.principal, deadline
        ):
            self._since = 0.0
            self._refuse(refusal(why))
        elif self._since:  # it may have been its turn immediately
            exchange.on_hold()
        return True

    def on_room(self) -> None:
        """The park is over, and it is this one's turn."""
        exchange, parking = self._exchange, self._balancer.parking
        self._note()
        try:
            refused = exchange.reconsidered()
            if refused is not None:
                self._refuse(refused, Phase.AUTHENTICATE)
                return
            exchange.released = parking.parks
            self._going = True
            parking.holds.going += 1
            self._client.resume_reading()
            self._go_on()
        except Exception as error:  # noqa: BLE001 - supervisor: the others are released all the same
            exchange.on_defect(error)

    def on_wait_over(self) -> None:
        """The park lasts longer than its client can wait."""
        self._note()
        self._refuse(refusal(self._balancer.parking.parked()))

    def on_displaced(self) -> None:
        """The queue is full, and its sender has the most requests there."""
        self._note()
        self._refuse(refusal(self._balancer.parking.parked(held=False)))

    def on_drain(self) -> None:
        """The worker stops."""
        if self._since:
            self._balancer.leave(self)
            self._note()
            self._refuse(failures.parked_at_draining_gate())

    def drop(self) -> None:
        """The exchange has ended."""
        if self._since:
            self._balancer.leave(self)
            self._note()
        self.on_placed()

    def on_placed(self) -> None:
        """It counts at an endpoint from now on, or nowhere."""
        if self._going:
            self._going = False
            self._balancer.parking.holds.going -= 1

    def _refuse(self, failure: Refusal, phase: Phase = Phase.SELECT) -> None:
        """It could not be held, not long enough, or may not pass any more."""
        self._client.resume_reading()
        self._exchange.on_failed(failure, phase)

    def _note(self) -> None:
        """The wait is over."""
        self._exchange.on_held(self._plane.clock() - self._since)
        self._since = 0.0
