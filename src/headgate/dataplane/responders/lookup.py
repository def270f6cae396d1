"""Looks something up, in MLflow or in the store, while its request waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from headgate.dataplane.ports import ExchangeSide


class Lookup:
    """Runs a look-up for one request.

    Args:
        work: looks it up.
        exchange: of the request.
        follow: takes the result.
        discard: takes it where the request has ended meanwhile.
    """

    __slots__ = ("_discard", "_exchange", "_follow", "_task")

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        exchange: ExchangeSide,
        follow: Callable[[Any], None],
        discard: Callable[[Any], None] | None = None,
    ) -> None:
        self._exchange = exchange
        self._follow = follow
        self._discard = discard
        self._task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(
            work, name="look up a create"
        )
        self._task.add_done_callback(self._on_done)

    def cancel(self) -> None:
        """Stop: nobody waits for it any more."""
        self._task.cancel()

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            return
        exchange, discard = self._exchange, self._discard
        if exchange.ended:
            # An error has to be asked for all the same: asyncio would log one that is not.
            if task.exception() is None and discard is not None:
                discard(task.result())
            return
        try:
            self._follow(task.result())
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            exchange.on_defect(error)
