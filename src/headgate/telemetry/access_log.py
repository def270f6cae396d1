"""One JSON line for each request.

Lines are gathered and written by a thread of their own: a reader that stalls must not stall
the gate.  When it stalls for too long lines are dropped, and the next one says how many.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quote
from typing import BinaryIO

from headgate.errors import REASONS
from headgate.model import Outcome, Reason

FLUSH_BYTES = 32 * 1024
MAX_BATCHES = 512
"""Batches that may wait for the writer, 16 MiB of lines."""


class AccessLog:
    """Writes outcomes to ``stream``.

    ``clock`` gives seconds since the epoch.  ``flush`` is to be called about once a second.
    """

    def __init__(self, stream: BinaryIO, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._lines: list[str] = []
        self._size = 0
        self._dropped = 0
        self._second = -1
        self._stamp = ""
        self._batches: queue.Queue[bytes | None] = queue.Queue(MAX_BATCHES)
        self._writer = threading.Thread(target=self._write, name="headgate-access-log", daemon=True)
        self._writer.start()

    def write(self, outcome: Outcome) -> None:
        """Add the line of one request."""
        line = self._line(outcome)
        self._lines.append(line)
        self._size += len(line)
        if self._size > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the writer."""
        if not self._lines:
            return
        batch = "".join(self._lines).encode("ascii")
        count = len(self._lines)
        self._lines.clear()
        self._size = 0
        try:
            self._batches.put_nowait(batch)
        except queue.Full:
            self._dropped += count

    def close(self) -> None:
        """Write everything that was added, and stop."""
        self.flush()
        self._batches.put(None)
        self._writer.join()

    def _write(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._stream.write(batch)
            self._stream.flush()

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
        path = o.target.partition(b"?")[0].decode("latin-1")
        return (
            f'{self._stamp}{int((now - second) * 1000):03d}Z","event":"request",'
            f'"reason":"{o.reason}","phase":"{o.phase}","status":{o.status},'
            f'"method":"{o.method.decode()}","path":{quote(path)},"family":"{o.family}",'
            f'"principal":{quote(o.principal)},"request_id":"{o.request_id.decode()}",'
            f'"client":"{o.client}","endpoint":"{o.endpoint}",'
            f'"duration_ms":{o.duration * 1e3:.3f},"upstream_ms":{o.upstream_duration * 1e3:.3f},'
            f'"bytes_in":{o.bytes_in},"bytes_out":{o.bytes_out},"attempts":{o.attempts},'
            f'"user_agent":{quote(o.user_agent.decode("latin-1"))}{extra}}}\n'
        )
