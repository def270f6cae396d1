"""A store of shared creates in memory."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from headgate.creates import Response, Verdict
from headgate.creates.shared import (
    SHARED_SECONDS,
    Look,
    Progress,
    Row,
    RowState,
    is_awaited,
    lives_at,
    verdict,
)
from headgate.errors import HeadgateError
from headgate.stores.creates import (
    Answer,
    Doubt,
    Enter,
    Forget,
    Give,
    Keep,
    Note,
    Operation,
    Release,
    TakeBack,
    Written,
)
from headgate.testing.clock import ManualClock

_IN_DOUBT = (RowState.SENT, RowState.DOUBTFUL)


@dataclass(frozen=True, slots=True)
class _Kept:
    row: Row
    digest: bytes
    sent_at: float
    response: Response | None = None


class MemoryCreateStore:
    """A ``CreateStore`` of this process alone, which keeps its content when it is closed.

    Attributes:
        failure: raised by whatever reads or writes the store, while it is set.
        clock: that of the store.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.failure: HeadgateError | None = None
        self.clock: Callable[[], float] = ManualClock() if clock is None else clock
        self._rows: dict[int, _Kept] = {}
        self._heard: dict[str, float] = {}

    def close(self) -> None:
        """See ``CreateStore``."""

    def apply(self, me: str, operations: Sequence[Operation]) -> list[Answer]:
        """See ``CreateStore``."""
        self._fail()
        self._heard[me] = self.clock()
        return [self._do(me, each) for each in operations]

    def _do(self, me: str, operation: Operation) -> Answer:
        if isinstance(operation, Enter):
            return self._enter(me, operation)
        if isinstance(operation, Note):
            self._add_given(me, operation, RowState.GIVEN)
            return None
        kept = self._rows.get(operation.id)
        if isinstance(operation, Give):
            if kept is None:
                return self._add_given(me, operation, RowState.WRITING)
            return self._give(me, kept, operation)
        if kept is not None:
            self._change(me, kept, operation)
        return None

    def _add_given(self, me: str, given: Give | Note, state: RowState) -> bool:
        if given.id in self._rows or not self._is_free(given.made, given.id):
            return False
        row = Row(given.id, me, "", state, False, False, given.made)
        self._rows[given.id] = _Kept(row, given.digest, self.clock())
        return True

    def _enter(self, me: str, enter: Enter) -> Look:
        look = self.look(enter.digest)
        if look.rows and not enter.forced:
            return look
        row = Row(enter.id, me, "", RowState.SENT, True, False)
        self._rows[enter.id] = _Kept(row, enter.digest, self.clock())
        return replace(look, added=True)

    def _give(self, me: str, kept: _Kept, give: Give) -> bool:
        row = kept.row
        if not _is_of(me, row) or row.state >= RowState.WRITING:
            return False
        if not self._is_free(give.made, row.id):
            return False
        self._put(kept, replace(row, state=RowState.WRITING, awaited=False, made=give.made))
        return True

    def _change(self, me: str, kept: _Kept, operation: Operation) -> None:
        row = kept.row
        if isinstance(operation, Forget):
            if _is_of(me, row):
                del self._rows[row.id]
        elif isinstance(operation, Release):
            if row.claimer == me:
                self._put(kept, replace(row, claimer=""), kept.response)
        elif isinstance(operation, Written):
            if _is_of(me, row) and row.state is RowState.WRITING:
                self._put(kept, replace(row, state=RowState.GIVEN))
        elif isinstance(operation, TakeBack):
            if _is_of(me, row) and row.state is RowState.WRITING:
                back = replace(row, state=RowState.KEPT, claimer="", made=operation.made)
                self._put(kept, back, operation.response)
            elif row.keeper == me and row.state in _IN_DOUBT:
                self._keep(kept, operation)
        elif row.keeper == me and row.state in _IN_DOUBT:
            self._note(kept, operation)

    def _note(self, kept: _Kept, operation: Operation) -> None:
        row = kept.row
        if isinstance(operation, Doubt):
            doubt = replace(
                row,
                state=RowState.DOUBTFUL,
                awaited=operation.awaited,
                failed=operation.failed,
            )
            self._put(kept, doubt)
        elif isinstance(operation, Keep):
            self._keep(kept, operation)

    def _keep(self, kept: _Kept, operation: Keep | TakeBack) -> None:
        row = kept.row
        if self._is_free(operation.made, row.id):
            here = replace(row, state=RowState.KEPT, awaited=False, made=operation.made)
            self._put(kept, here, operation.response)
        else:
            gone = replace(row, state=RowState.DOUBTFUL, awaited=False, failed=False)
            self._put(kept, gone)

    def look(self, digest: bytes) -> Look:
        """See ``CreateStore``."""
        self._fail()
        rows = [
            each.row
            for each in self._alike(digest)
            if each.row.state is not RowState.GIVEN and not self._is_old(each)
        ]
        return Look(self.clock(), rows, dict(self._heard)) if rows else Look(0.0)

    def claim(self, me: str, row: int, seen: str) -> bool:
        """See ``CreateStore``."""
        self._fail()
        self._heard[me] = self.clock()
        kept = self._rows.get(row)
        if kept is None or kept.row.claimer != seen or kept.row.state >= RowState.WRITING:
            return False
        claimed = replace(kept.row, claimer=me)
        if claimed.state is RowState.SENT:
            claimed = replace(claimed, state=RowState.DOUBTFUL, awaited=False)
        self._put(kept, claimed, kept.response)
        return True

    def progress(self, me: str, row: int, gone: Container[str]) -> Progress | None:
        """See ``CreateStore``."""
        self._fail()
        kept = self._rows.get(row)
        if kept is None or kept.row.claimer != me or kept.row.state >= RowState.WRITING:
            return None
        return Progress(kept.response, is_awaited(kept.row, self._lives(gone)))

    def join(
        self, me: str, row: int, digest: bytes, found: Sequence[bytes], gone: Container[str]
    ) -> tuple[Verdict, bytes]:
        """See ``CreateStore``."""
        self._fail()
        kept = self._rows.get(row)
        if kept is None or kept.row.claimer != me:
            return Verdict.OPEN, b""
        rows = [each.row for each in self._alike(digest)]
        result, made = verdict(rows, row, found, self._lives(gone))
        if result is Verdict.JOINED:
            self._put(kept, replace(kept.row, made=made))
        return result, made

    def prune(self) -> int:
        """See ``CreateStore``."""
        self._fail()
        self._rows = {key: each for key, each in self._rows.items() if not self._is_old(each)}
        return len(self._rows)

    def leave(self, me: str) -> None:
        """See ``CreateStore``."""
        self._fail()
        self._heard.pop(me, None)

    def _alike(self, digest: bytes) -> list[_Kept]:
        return [each for each in self._rows.values() if each.digest == digest]

    def _put(self, kept: _Kept, row: Row, response: Response | None = None) -> None:
        self._rows[row.id] = replace(kept, row=row, response=response)

    def _is_free(self, made: bytes, row: int) -> bool:
        if not made:
            return True
        return not any(each.row.made == made and key != row for key, each in self._rows.items())

    def _is_old(self, kept: _Kept) -> bool:
        return self.clock() - kept.sent_at >= SHARED_SECONDS

    def _lives(self, gone: Container[str]) -> Callable[[str], bool]:
        return lives_at(self.clock(), self._heard, gone)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure


def _is_of(me: str, row: Row) -> bool:
    """Whether a create is with a process: it has claimed it, or nobody else has."""
    return (row.claimer or row.keeper) == me
