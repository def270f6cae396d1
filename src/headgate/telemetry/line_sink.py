"""Writes lines to a file descriptor that others share, read late or not at all, or may fill up.

A reader that stalls must not stall the gate, so a pipe is only written to while it has room.  What
is lost is counted when it is lost, with its cause.  A line that was cut short, as by a disk that
was full for a moment, is ended before the next one begins, by any process.
"""

from __future__ import annotations

import errno
import math
import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from headgate.events import Emit, Log, LogLinesLost, LossCause
from headgate.telemetry.pipe import unblocked

FILE_BATCH: Final = 32 * 1024
PIPE_BATCH: Final = select.PIPE_BUF
"""What a pipe that is ready takes whole, also beside other writers (POSIX)."""
MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes of lines that may wait for a reader."""
CLOSE_SECONDS: Final = 2.0
"""How long the end waits for a reader to take what is left."""
REPEAT_SECONDS: Final = 60.0
"""Losses that go on are one event in this time."""
_ERRORS: Final = {
    errno.ENOSPC: LossCause.FULL,
    errno.EDQUOT: LossCause.FULL,
    errno.EPIPE: LossCause.GONE,
}


def cause_of(error: OSError) -> LossCause:
    """Why the lines are lost that met this error."""
    return _ERRORS.get(error.errno or 0, LossCause.ERROR)


def ends_open(fd: int, *, unsure: bool) -> bool:
    """Whether what was written last, by any process, is no whole line.

    ``unsure``: what to say of what cannot be read, such as a pipe.
    """
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return unsure
    try:
        file = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it may only be written
        return unsure
    try:
        end = os.fstat(file).st_size
        return end > 0 and os.pread(file, 1, end - 1) != b"\n"
    finally:
        os.close(file)


class Losses(Protocol):
    """Where lost lines are counted, for all processes of a gate."""

    def lose(self, log: Log, cause: LossCause, lines: int) -> None:
        """Count lines that are lost."""

    def cuts(self) -> int:
        """A number that changes whenever any process may have cut a line short."""
        ...

    def leave_out(self, lines: int) -> None:
        """Count lines that are left out on purpose."""


class NoLosses:
    """Counts nothing."""

    def lose(self, log: Log, cause: LossCause, lines: int) -> None:
        """See ``Losses``."""

    def cuts(self) -> int:
        """See ``Losses``."""
        return 0

    def leave_out(self, lines: int) -> None:
        """See ``Losses``."""


class LineSink:
    """Writes batches of whole lines to the file descriptor ``fd``.

    Args:
        fd: stays open when this is closed.
        log: which log the lines belong to.
        losses: where lost lines are counted.
        emit: takes the event that lines are lost.
        clock: seconds from an arbitrary start.

    ``batch_bytes``: how many bytes of lines to gather for a batch.
    """

    def __init__(
        self,
        fd: int,
        log: Log,
        losses: Losses,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_fd = unblocked(fd)
        self._fd = fd if self._own_fd is None else self._own_fd
        self._log = log
        self._losses = losses
        self._emit = emit
        self._clock = clock
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self.batch_bytes = FILE_BATCH if self._is_file else PIPE_BATCH
        self._room = select.poll()
        self._room.register(self._fd, select.POLLOUT)
        # Each with its number of lines, and how many lost ones they count.
        self._batches: deque[tuple[bytes, int, int]] = deque()
        self._waiting = 0
        self._uncounted = 0
        self._cuts = losses.cuts()
        self._may_be_cut = False
        self._is_cut = False
        self._reported_at = -math.inf
        self._lost_since = 0

    def take_uncounted(self) -> int:
        """How many lines were lost that no line counts; the caller writes the number in one."""
        found, self._uncounted = self._uncounted, 0
        return found

    def add(self, batch: bytes, lines: int, counted: int) -> None:
        """Take whole lines, which count ``counted`` lost ones."""
        if self._waiting + len(batch) > MAX_WAITING:
            self._lose(lines, counted, LossCause.STALLED)
        else:
            self._batches.append((batch, lines, counted))
            self._waiting += len(batch)

    def flush(self) -> None:
        """Write what there is room for."""
        while self._batches and self._room.poll(0):
            if not self._write_one():
                return

    def drop(self) -> None:
        """Lose what found no room."""
        self._drop_all(LossCause.STALLED)

    def close(self) -> int:
        """Write what is left; returns how many lost lines no line counts."""
        self.flush()
        end = time.monotonic() + CLOSE_SECONDS
        while self._batches and (left := end - time.monotonic()) > 0:
            if self._room.poll(left * 1000):
                self._write_one()
        self._drop_all(LossCause.STALLED)
        if self._own_fd is not None:
            os.close(self._own_fd)
        return self._uncounted

    def _write_one(self) -> bool:
        """Write the oldest batch; whether there may be room for more."""
        batch, lines, counted = self._batches[0]
        if self._losses.cuts() != self._cuts:
            self._cuts = self._losses.cuts()
            self._may_be_cut = True
        start = b"\n" if self._may_be_cut and ends_open(self._fd, unsure=self._is_cut) else b""
        try:
            written = os.write(self._fd, start + batch) - len(start)
        except BlockingIOError:
            return False
        except OSError as error:  # the reader is gone for good, or the disk is full
            self._may_be_cut = True
            self._drop_all(cause_of(error), error.strerror)
            return False
        self._may_be_cut = self._is_cut = False
        self._batches.popleft()
        self._waiting -= len(batch)
        if written < len(batch):
            self._keep_rest_of(batch, max(0, written), lines, counted)
        return True

    def _keep_rest_of(self, batch: bytes, written: int, lines: int, counted: int) -> None:
        """Keep what was not written of a batch, from the next whole line on.

        The first line of a batch counts the lost ones.
        """
        rest = batch[written:]
        left = rest.count(b"\n")
        if written and batch[written - 1] != ord("\n"):
            # Other processes write to the same file: a line of theirs may follow.
            is_whole = rest.startswith(b"\n")  # but for its end, which the next write begins with
            rest = rest[rest.index(b"\n") + 1 :]
            left -= 1
            self._may_be_cut = self._is_cut = True
            count_is_lost = not is_whole and b"\n" not in batch[:written]
            cause = LossCause.FULL if self._is_file else LossCause.STALLED
            self._lose(int(not is_whole), counted if count_is_lost else 0, cause)
        if left:
            self._batches.appendleft((rest, left, 0 if left < lines else counted))
            self._waiting += len(rest)

    def _drop_all(self, cause: LossCause, problem: str | None = None) -> None:
        lines = sum(lines for _, lines, _ in self._batches)
        counted = sum(counted for _, _, counted in self._batches)
        self._batches.clear()
        self._waiting = 0
        if lines:
            self._lose(lines, counted, cause, problem)

    def _lose(self, lines: int, counted: int, cause: LossCause, problem: str | None = None) -> None:
        """Count lines that are lost, and those lost before that they would have counted."""
        self._uncounted += lines + counted
        self._losses.lose(
            self._log, cause, lines
        )  # none, too: the other processes must learn of the cut
        if not lines:
            return
        self._lost_since += lines
        now = self._clock()
        if now - self._reported_at >= REPEAT_SECONDS:
            self._reported_at = now
            lost, self._lost_since = self._lost_since, 0
            self._emit(LogLinesLost(self._log, cause, lost, problem))
