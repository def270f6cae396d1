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
from typing import Final

from headgate.errors import REASONS
from headgate.model import Outcome, Phase, Reason
from headgate.telemetry.pipe import unblocked
from headgate.telemetry.redact import without_keys

FILE_BATCH: Final = 32 * 1024
PIPE_BATCH: Final = select.PIPE_BUF
"""What a pipe that is ready takes at once, and whole, whoever else writes to it (POSIX)."""
MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes of lines that may wait for a reader."""
MAX_PATH: Final = 1024
MAX_USER_AGENT: Final = 256
MAX_DETAIL: Final = 512
REMEMBERED_TEXTS: Final = 512
# To look a member up in its class costs as much as ten attributes ...
_OK: Final = Reason.OK
_RESPOND: Final = Phase.RESPOND
# ... and to format one as much as a long text
_WORDS: Final[dict[Reason | Phase, str]] = {word: word.value for word in (*Reason, *Phase)}
_THREE_DIGITS: Final = [f"{number:03d}" for number in range(1000)]
CLOSE_SECONDS: Final = 2.0
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
        reason, phase, status = outcome.reason, outcome.phase, outcome.status
        method = outcome.method
        family, principal, endpoint = outcome.family, outcome.principal, outcome.endpoint
        client, attempts, user_agent = outcome.client, outcome.attempts, outcome.user_agent
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))
        path = outcome.target.partition(b"?")[0]
        if reason is _OK and phase is _RESPOND:
            key = (method, path, status, family, principal, cut)
            asked = self._texts.get(key)
            if asked is None:
                asked = _asked(reason, phase, status, method, path, family, principal, cut)
                if len(path) <= MAX_PATH:
                    self._remember(key, asked)
        else:
            asked = _asked(reason, phase, status, method, path, family, principal, cut)
        ways = (client, endpoint, attempts, user_agent, cut)
        way = self._texts.get(ways)
        if way is None:
            way = _way(client, endpoint, attempts, user_agent, cut)
            if len(user_agent) <= MAX_USER_AGENT:
                self._remember(ways, way)
        extra = ""
        if reason is not _OK:
            shown = without_keys(quote(outcome.detail[: MAX_DETAIL // cut]))
            extra = f',"fault":"{REASONS[reason].fault}","detail":{shown}'
        if self._dropped:
            extra += f',"lines_dropped":{self._dropped}'
        return (
            f'{self._stamp}{_THREE_DIGITS[int((now - second) * 1000)]}Z","event":"request",{asked},'
            f'"request_id":"{without_keys(outcome.request_id.decode())}",'
            f'"duration_ms":{_milliseconds(outcome.duration)},"upstream_ms":{_milliseconds(outcome.upstream_duration)},'
            f'"bytes_in":{outcome.bytes_in},"bytes_out":{outcome.bytes_out},{way}{extra}}}\n'
        )

    def _remember(self, key: tuple[object, ...], text: str) -> None:
        if len(self._texts) >= REMEMBERED_TEXTS:
            self._texts.clear()
        self._texts[key] = text


def _milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with three decimals."""
    microseconds = int(seconds * 1e6 + 0.5)
    return f"{microseconds // 1000}.{_THREE_DIGITS[microseconds % 1000]}"


def _asked(
    reason: Reason,
    phase: Phase,
    status: int,
    method: bytes,
    path: bytes,
    family: str,
    principal: str,
    cut: int,
) -> str:
    """What was asked for and by whom, and how it ended."""
    shown = path.partition(b"#")[0]
    if not shown.startswith(b"/"):  # in absolute form; its host may follow a password
        shown = shown.rpartition(b"@")[2]
    return without_keys(
        f'"reason":"{_WORDS[reason]}","phase":"{_WORDS[phase]}","status":{status},'
        f'"method":"{method.decode()}",'
        f'"path":{quote(shown[: MAX_PATH // cut].decode("latin-1"))},'
        f'"family":"{family}","principal":{quote(principal)}'
    )


def _way(client: str, endpoint: str, attempts: int, user_agent: bytes, cut: int) -> str:
    """From where it came and where it went."""
    agent = without_keys(quote(user_agent[: MAX_USER_AGENT // cut].decode("latin-1")))
    return (
        f'"client":{quote(client)},"endpoint":"{endpoint}","attempts":{attempts},'
        f'"user_agent":{agent}'
    )
