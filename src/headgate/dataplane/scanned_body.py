"""A request's body that is looked at before MLflow is sent it, piece by piece.

No piece is passed on before it has been looked at, nor the last one before all is well.  So MLflow
never has a whole body that is refused, and it does nothing with a part of one.  What takes long,
since a piece inflates to many times its length, is done in several turns of the loop.
"""

from __future__ import annotations

from typing import Final

from headgate.dataplane.decisions import BodyScan
from headgate.errors import Refusal

STEPS_PER_TURN: Final = 4
"""Each of them takes about a millisecond or two."""


class ScannedBody:
    """The pieces of one body that are being looked at.

    ``waits_for_turn``: the next turn of the loop goes on with it.  ``passed``: some of it has been
    found to be well, so that the request is on its way.  ``held``: bytes that have not been.

    Args:
        scan: looks at them.
    """

    __slots__ = ("_done", "_pieces", "_scan", "held", "passed", "waits_for_turn")

    def __init__(self, scan: BodyScan) -> None:
        self._scan = scan
        self._pieces: list[bytes] = []
        self._done = False
        self.waits_for_turn = False
        self.passed = False
        self.held = 0

    @property
    def refusal(self) -> Refusal | None:
        """What speaks against the body, once something does."""
        return self._scan.refusal

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        """Take what came; ``done``: that is all."""
        self._pieces += pieces
        self.held += sum(map(len, pieces))
        self._done = done
        self._scan.take(pieces, done=done)

    def look(self) -> bool:
        """Look at some of it; whether there is no more to look at."""
        return any(self._scan.step() for _ in range(STEPS_PER_TURN))

    def release(self) -> tuple[list[bytes], bool]:
        """What has been looked at, and whether it ends the body."""
        pieces, self._pieces = self._pieces, []
        self.held = 0
        self.passed = True
        return pieces, self._done
