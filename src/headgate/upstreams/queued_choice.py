"""Queues requests of the gate's own that a client waits for, as clients' requests are queued."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from headgate.cluster import Result, Unavailable
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.connections.pool import Pool
from headgate.model import Endpoint, Principal


async def choose_in_turn(
    balancer: Balancer, tried: Collection[Endpoint], principal: Principal
) -> Pool | Unavailable:
    """The pool of an endpoint that may take one more request, after a wait if all are full.

    The wait is in the queue of clients' requests, with the same time limit, among the requests of
    ``principal``.  A pool that is returned must be given to ``Balancer.finish`` exactly once.
    """
    chosen = balancer.choose(tried)
    if not isinstance(chosen, Unavailable):
        return chosen
    waiter = _Waiter(balancer, tried, chosen, principal)
    if not balancer.queue(waiter, chosen, principal):
        return chosen
    try:
        return await waiter.turn
    except asyncio.CancelledError:
        waiter.give_up()
        raise


class _Waiter:
    """One place in the queue."""

    def __init__(
        self,
        balancer: Balancer,
        tried: Collection[Endpoint],
        full: Unavailable,
        principal: Principal,
    ) -> None:
        self.turn: asyncio.Future[Pool | Unavailable] = asyncio.get_running_loop().create_future()
        self._balancer = balancer
        self._tried = tried
        self._full = full
        self._principal = principal

    def on_room(self) -> None:
        """See ``Queued``."""
        chosen = self._balancer.choose(self._tried)
        if isinstance(chosen, Unavailable) and self._balancer.queue(self, chosen, self._principal):
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
