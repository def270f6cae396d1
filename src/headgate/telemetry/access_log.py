"""One JSON line for each request.

Lines are gathered and written in batches by the loop's own thread: a second thread would cost
each request more, in waiting for the interpreter's lock, than the write itself.  A reader that
stalls must not stall the gate, so a pipe is only written to while it has room; when it has had
none for too long lines are dropped, and the next line says how many.  No line is longer than a
pipe takes whole, so that the lines of several workers never mingle.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections import deque
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quote
from math import floor

from headgate.errors import REASONS
from headgate.model import Outcome, Phase, Reason
from headgate.telemetry.pipe import unblocked
from headgate.telemetry.redact import without_keys

FILE_BATCH = 32 * 1024
PIPE_BATCH = select.PIPE_BUF
"""What a pipe that is ready takes at once, and whole, whoever else writes to it (POSIX)."""
MAX_WAITING = 16 * 1024 * 1024
"""Bytes of lines that may wait for a reader."""
MAX_PATH = 1024
MAX_USER_AGENT = 256
MAX_DETAIL = 512
REMEMBERED_TEXTS = 512
_OK = Reason.OK  # to look a member up in its class costs as much as ten attributes
# ... and to format one as much as a long text
_WORDS: dict[Reason | Phase, str] = {word: word.value for word in (*Reason, *Phase)}
CLOSE_SECONDS = 2.0
"""How long the end waits for a reader to take what is left."""


class AccessLog:
    """Writes outcomes to the file descriptor ``fd``.

    ``clock`` gives seconds since the epoch.  ``flush`` is to be called about once a second.
    """

    def __init__(self, fd: int, clock: Callable[[], float] = time.time) -> None:
        self._own_fd = unblocked(fd)
        self._fd = fd if self._own_fd is None else self._own_fd
        self._clock = clock
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._batch_bytes = FILE_BATCH if is_file else PIPE_BATCH
        self._room = select.poll()
        self._room.register(self._fd, select.POLLOUT)
        self._lines: list[str] = []
        self._size = 0
        self._batches: deque[tuple[bytes, int]] = deque()  # with what is lost if it is dropped
        self._waiting = 0
        self._dropped = 0
        self._told = 0  # dropped lines that the gathered lines tell of
        # Parts of lines that come again and again, without keys, by what they are made of.
        self._texts: dict[tuple[object, ...], str] = {}
        self._second = -1
        self._stamp = ""

    def write(self, outcome: Outcome) -> None:
        """Add the line of one request."""
        line = self._line(outcome)
        if len(line) > PIPE_BATCH:  # escapes can make twelve characters of one
            line = self._line(outcome, 8)
        self._size += len(line)
        if self._size > self._batch_bytes:
            self.flush()
            self._size = len(line)
        self._lines.append(line)
        if self._dropped:
            self._told += self._dropped
            self._dropped = 0

    def flush(self) -> None:
        """Write what was gathered, as far as there is room for it."""
        if self._lines:
            self._seal()
        while self._batches and self._room.poll(0):
            if not self._write_one():
                return

    def close(self) -> int:
        """Write what is left; returns how many lines a reader that stalls has lost."""
        self.flush()
        end = time.monotonic() + CLOSE_SECONDS
        while self._batches and (left := end - time.monotonic()) > 0:
            if self._room.poll(left * 1000):
                self._write_one()
        if self._own_fd is not None:
            os.close(self._own_fd)
        return self._dropped + sum(lost for _, lost in self._batches)

    def _write_one(self) -> bool:
        """Write the oldest batch; whether there may be room for more."""
        batch, lost = self._batches[0]
        try:
            written = os.write(self._fd, batch)
        except BlockingIOError:
            return False
        except OSError:  # the reader is gone for good
            self._dropped += sum(lost for _, lost in self._batches)
            self._batches.clear()
            self._waiting = 0
            return False
        self._waiting -= written
        self._batches.popleft()
        if written < len(batch):
            self._batches.appendleft((batch[written:], lost))
        return True

    def _seal(self) -> None:
        """Make a batch of the lines, or drop them when too much waits already."""
        batch = "".join(self._lines).encode("ascii")
        lost = len(self._lines) + self._told
        if self._waiting + len(batch) > MAX_WAITING:
            self._dropped += lost
        else:
            self._batches.append((batch, lost))
            self._waiting += len(batch)
        self._lines.clear()
        self._size = 0
        self._told = 0

    def _line(self, outcome: Outcome, cut: int = 1) -> str:
        """The line; ``cut`` divides how much of each text in it is shown."""
        (
            reason,
            phase,
            status,
            method,
            target,
            family,
            principal,
            request_id,
            client,
            endpoint,
            duration,
            upstream_duration,
            bytes_in,
            bytes_out,
            attempts,
            user_agent,
            detail,
        ) = outcome
        now = self._clock()
        second = floor(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))
        extra = ""
        if reason is not _OK:
            shown = without_keys(quote(detail[: MAX_DETAIL // cut]))
            extra = f',"fault":"{REASONS[reason].fault}","detail":{shown}'
        if self._dropped:
            extra += f',"lines_dropped":{self._dropped}'
        return (
            f'{self._stamp}{floor((now - second) * 1000):03d}Z","event":"request",'
            f'"reason":"{_WORDS[reason]}","phase":"{_WORDS[phase]}","status":{status},'
            f"{self._asked(method, target.partition(b'?')[0], family, principal, cut)},"
            f'"request_id":"{without_keys(request_id.decode())}",'
            f'"client":{quote(client)},"endpoint":"{endpoint}",'
            f'"duration_ms":{duration * 1e3:.3f},"upstream_ms":{upstream_duration * 1e3:.3f},'
            f'"bytes_in":{bytes_in},"bytes_out":{bytes_out},"attempts":{attempts},'
            f'"user_agent":{self._agent(user_agent, cut)}{extra}}}\n'
        )

    def _asked(self, method: bytes, path: bytes, family: str, principal: str, cut: int) -> str:
        """What was asked for and by whom."""
        key = (method, path, family, principal, cut)
        text = self._texts.get(key)
        if text is None:
            shown = path.partition(b"#")[0]
            if not shown.startswith(b"/"):  # in absolute form; its host may follow a password
                shown = shown.rpartition(b"@")[2]
            text = without_keys(
                f'"method":"{method.decode()}",'
                f'"path":{quote(shown[: MAX_PATH // cut].decode("latin-1"))},'
                f'"family":"{family}","principal":{quote(principal)}'
            )
            if len(path) <= MAX_PATH:
                self._remember(key, text)
        return text

    def _agent(self, user_agent: bytes, cut: int) -> str:
        key = (user_agent, cut)
        text = self._texts.get(key)
        if text is None:
            text = without_keys(quote(user_agent[: MAX_USER_AGENT // cut].decode("latin-1")))
            if len(user_agent) <= MAX_USER_AGENT:
                self._remember(key, text)
        return text

    def _remember(self, key: tuple[object, ...], text: str) -> None:
        if len(self._texts) >= REMEMBERED_TEXTS:
            self._texts.clear()
        self._texts[key] = text
