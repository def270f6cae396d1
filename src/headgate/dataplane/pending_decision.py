"""A decision that takes time: it is run as a task, and its request waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from headgate.dataplane.decisions import Decision
from headgate.dataplane.ports import ExchangeSide


class PendingDecision:
    """Runs what a decision needs.

    Args:
        decision: what is run.
        exchange: ends where that fails.
        follow: is called with the decision.
    """

    __slots__ = ("_exchange", "_follow", "_task")

    def __init__(
        self,
        decision: Coroutine[Any, Any, Decision],
        exchange: ExchangeSide,
        follow: Callable[[Decision], None],
    ) -> None:
        self._exchange = exchange
        self._follow = follow
        self._task = asyncio.get_running_loop().create_task(decision, name="decide")
        self._task.add_done_callback(self._on_decided)

    def cancel(self) -> None:
        """Stop: the decision is no longer of use."""
        self._task.cancel()

    def _on_decided(self, task: asyncio.Task[Decision]) -> None:
        exchange = self._exchange
        if exchange.ended:
            if not task.cancelled():
                task.exception()  # else asyncio would log that nobody has asked for it
            return
        try:
            self._follow(task.result())
        except asyncio.CancelledError:
            exchange.on_defect(RuntimeError("the decision was cancelled"))
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            exchange.on_defect(error)
