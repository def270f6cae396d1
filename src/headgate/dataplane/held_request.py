"""A request that is held for a parked upstream before anything is done for it.

That is so where the gate would have to collect its body or to look something up in MLflow first:
many that are held must not fill the memory.  All others are held where they choose an endpoint
(``responders/attempts.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from headgate.dataplane import failures
from headgate.dataplane.balancer import Balancer, refusal
from headgate.dataplane.ports import ExchangeSide
from headgate.errors import Refusal


class HeldRequest:
    """Waits for the end of a park.

    Until its exchange ends it counts as *going* once it is released, so that no more are released
    than MLflow can take, however long their bodies take to come.

    Args:
        exchange: whose request it is.
        balancer: of the upstream.
        clock: seconds from an arbitrary start.
        go_on: called when it is released.
        refuse: called with the refusal when it is not.
    """

    __slots__ = ("_balancer", "_clock", "_exchange", "_go_on", "_going", "_refuse", "_since")

    def __init__(
        self,
        exchange: ExchangeSide,
        balancer: Balancer,
        clock: Callable[[], float],
        go_on: Callable[[], None],
        refuse: Callable[[Refusal], None],
    ) -> None:
        self._exchange = exchange
        self._balancer = balancer
        self._clock = clock
        self._go_on = go_on
        self._refuse = refuse
        self._since = clock()
        self._going = False

    def on_room(self) -> None:
        """The park is over, and it is this one's turn."""
        exchange, parking = self._exchange, self._balancer.parking
        self._note()
        exchange.released = parking.parks
        self._going = True
        parking.holds.going += 1
        try:
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
        if self._going:
            self._going = False
            self._balancer.parking.holds.going -= 1

    def _note(self) -> None:
        """The wait is over."""
        self._exchange.on_held(self._clock() - self._since)
        self._since = 0.0
