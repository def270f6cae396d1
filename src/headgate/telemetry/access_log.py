"""One JSON line for each request.

Lines are gathered and written in batches by the loop's own thread: a second thread would cost
each request more, in waiting for the interpreter's lock, than the write itself.  A reader that
stalls must not stall the gate, so a pipe is only written to while it has room; when it has had
none for too long lines are dropped, and the next line says how many.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quote

from headgate.errors import REASONS
from headgate.model import Outcome, Reason

FILE_BATCH = 32 * 1024
PIPE_BATCH = select.PIPE_BUF
"""What a pipe that is ready takes at once, and whole, whoever else writes to it (POSIX)."""
MAX_WAITING = 16 * 1024 * 1024
"""Bytes of lines that may wait for a reader."""
MAX_PATH = 1024
MAX_USER_AGENT = 256


class AccessLog:
    """Writes outcomes to the file descriptor ``fd``.

    ``clock`` gives seconds since the epoch.  ``flush`` is to be called about once a second.
    """

    def __init__(self, fd: int, clock: Callable[[], float] = time.time) -> None:
        self._fd = fd
        self._clock = clock
        self._batch_bytes = FILE_BATCH if stat.S_ISREG(os.fstat(fd).st_mode) else PIPE_BATCH
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)
        self._lines: list[str] = []
        self._size = 0
        self._batches: deque[bytes] = deque()
        self._waiting = 0
        self._dropped = 0
        self._second = -1
        self._stamp = ""

    def write(self, outcome: Outcome) -> None:
        """Add the line of one request."""
        line = self._line(outcome)
        self._size += len(line)
        if self._size > self._batch_bytes:
            self.flush()
            self._size = len(line)
        self._lines.append(line)

    def flush(self) -> None:
        """Write what was gathered, as far as there is room for it."""
        if self._lines:
            self._seal()
        while self._batches and self._room.poll(0):
            try:
                written = os.write(self._fd, self._batches[0])
            except BlockingIOError:
                return
            except OSError:  # the reader is gone for good
                self._dropped += sum(batch.count(b"\n") for batch in self._batches)
                self._batches.clear()
                self._waiting = 0
                return
            self._waiting -= written
            batch = self._batches.popleft()
            if written < len(batch):
                self._batches.appendleft(batch[written:])

    def close(self) -> None:
        """Write what there is room for."""
        self.flush()

    def _seal(self) -> None:
        """Make a batch of the lines, or drop them when too much waits already."""
        batch = "".join(self._lines).encode("ascii")
        if self._waiting + len(batch) > MAX_WAITING:
            self._dropped += len(self._lines)
        else:
            self._batches.append(batch)
            self._waiting += len(batch)
        self._lines.clear()
        self._size = 0

    def _line(self, o: Outcome) -> str:
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))
        extra = ""
        if o.reason is not Reason.OK:
            extra = f',"fault":"{REASONS[o.reason].fault}","detail":{quote(o.detail)}'
        if self._dropped:
            extra += f',"lines_dropped":{self._dropped}'
            self._dropped = 0
        path = o.target.partition(b"?")[0][:MAX_PATH].decode("latin-1")
        agent = o.user_agent[:MAX_USER_AGENT].decode("latin-1")
        return (
            f'{self._stamp}{int((now - second) * 1000):03d}Z","event":"request",'
            f'"reason":"{o.reason}","phase":"{o.phase}","status":{o.status},'
            f'"method":"{o.method.decode()}","path":{quote(path)},"family":"{o.family}",'
            f'"principal":{quote(o.principal)},"request_id":"{o.request_id.decode()}",'
            f'"client":"{o.client}","endpoint":"{o.endpoint}",'
            f'"duration_ms":{o.duration * 1e3:.3f},"upstream_ms":{o.upstream_duration * 1e3:.3f},'
            f'"bytes_in":{o.bytes_in},"bytes_out":{o.bytes_out},"attempts":{o.attempts},'
            f'"user_agent":{quote(agent)}{extra}}}\n'
        )
