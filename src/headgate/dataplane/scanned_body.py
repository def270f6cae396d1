"""A request's body that is looked at before MLflow is sent it, piece by piece.

No piece is passed on before it has been looked at, nor the last one before all is well.  So MLflow
never has a whole body that is refused, and it does nothing with a part of one.  What takes long,
since a piece inflates to many times its length, is done in several turns of the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.dataplane.decisions import BodyScan
from headgate.dataplane.ports import ClientSide, ExchangeSide
from headgate.model import Phase

STEPS_PER_TURN: Final = 4
"""Each of them takes about a millisecond or two."""


class ScannedBody:
    """The pieces of one body that are being looked at.

    Args:
        scan: looks at them.
        exchange: is refused where the scan finds something.
        client: waits while the looking takes several turns of the loop.
        call_soon: makes a call in the next turn.
        passed: called with the pieces that are well, whether they end the body, and whether they
            are the first.

    Attributes:
        held: bytes that have not been passed on.
    """

    __slots__ = (
        "_call_soon",
        "_client",
        "_done",
        "_exchange",
        "_first",
        "_passed",
        "_pieces",
        "_scan",
        "_waits_for_turn",
        "held",
    )

    def __init__(
        self,
        scan: BodyScan,
        exchange: ExchangeSide,
        client: ClientSide,
        call_soon: Callable[[Callable[[], None]], object],
        passed: Callable[[list[bytes], bool, bool], None],
    ) -> None:
        self._scan = scan
        self._exchange = exchange
        self._client = client
        self._call_soon = call_soon
        self._passed = passed
        self._pieces: list[bytes] = []
        self._done = False
        self._first = True
        self._waits_for_turn = False
        self.held = 0

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        """Take what came; ``done``: that is all."""
        self._pieces += pieces
        self.held += sum(map(len, pieces))
        self._done = done
        self._scan.take(pieces, done=done)
        if not self._waits_for_turn:
            self._look()

    def _look(self) -> None:
        """Look at what came, and pass it on once all of that is well."""
        self._waits_for_turn = not any(self._scan.step() for _ in range(STEPS_PER_TURN))
        refusal = self._scan.refusal
        if refusal is not None:
            self._exchange.on_failed(refusal, Phase.AUTHORISE)
        elif self._waits_for_turn:
            self._client.pause_reading()
            self._call_soon(self._look_on)
        else:
            pieces, self._pieces = self._pieces, []
            first, self._first = self._first, False
            self.held = 0
            self._passed(pieces, self._done, first)

    def _look_on(self) -> None:
        if self._exchange.ended:
            return
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - supervisor: a defect ends one exchange only
            self._exchange.on_defect(error)
