"""Queues requests of the gate's own that a client waits for, as clients' requests are queued."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from headgate.cluster import Result, Unavailable
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connections.pool import Pool
from headgate.model import Endpoint, Principal


async def choose_in_turn(
    balancer: Balancer, tried: Collection[Endpoint], principal: Principal, deadline: float
) -> Pool | Unavailable:
    """The pool of an endpoint that may take one more request, after a wait if all are full.

    The wait is in the queue of clients' requests, with the same time limit, among the requests of
    ``principal``; while the upstream is parked it lasts until ``deadline`` at most.  A pool that is
    returned must be given to ``Balancer.finish`` exactly once.
    """
    chosen = _choose(balancer, tried, principal)
    if not isinstance(chosen, Unavailable):
        return chosen
    waiter = _Waiter(balancer, tried, chosen, principal, deadline)
    if not balancer.queue(waiter, chosen, principal, deadline):
        return chosen
    try:
        return await waiter.turn
    except asyncio.CancelledError:
        waiter.give_up()
        raise


def _choose(
    balancer: Balancer, tried: Collection[Endpoint], principal: Principal
) -> Pool | Unavailable:
    """Choose now; a request that is looked into has waited for its turn after a park already."""
    if balancer.busy and balancer.parking.releasing:
        balancer.parking.let_pass(balancer.parking.parks)
    return balancer.choose(tried, principal)


class _Waiter:
    """One place in the queue."""

    def __init__(
        self,
        balancer: Balancer,
        tried: Collection[Endpoint],
        full: Unavailable,
        principal: Principal,
        deadline: float,
    ) -> None:
        self.turn: asyncio.Future[Pool | Unavailable] = asyncio.get_running_loop().create_future()
        self._balancer = balancer
        self._tried = tried
        self._full = full
        self._principal = principal
        self._deadline = deadline

    def on_room(self) -> None:
        """See ``Queued``."""
        balancer, principal = self._balancer, self._principal
        chosen = balancer.choose(self._tried, principal)
        if isinstance(chosen, Unavailable) and balancer.queue(
            self, chosen, principal, self._deadline
        ):
            return
        if self.turn.done():  # the client has left
            self._put_back(chosen)
        else:
            self.turn.set_result(chosen)

    def on_wait_over(self) -> None:
        """See ``Queued``."""
        if not self.turn.done():
            self.turn.set_result(self._full)

    def on_displaced(self) -> None:
        """See ``Queued``."""
        self.on_wait_over()

    def give_up(self) -> None:
        """The caller has been cancelled."""
        self._balancer.leave(self)
        if self.turn.done() and not self.turn.cancelled():
            self._put_back(self.turn.result())

    def _put_back(self, chosen: Pool | Unavailable) -> None:
        if not isinstance(chosen, Unavailable):
            self._balancer.finish(chosen, Result.CANCELLED)
