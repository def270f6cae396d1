"""One JSON line for each request.

Lines are gathered and written in batches by the loop's own thread: a second thread would cost
each request more, in waiting for the interpreter's lock, than the write itself.  When lines are
lost (``line_sink.py``), the next line says how many.  No line is longer than a pipe takes whole, so
that the lines of several workers never mingle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quote
from typing import Final

from headgate.events import Emit, Log, discard
from headgate.model import Outcome, Phase
from headgate.reasons import Reason
from headgate.telemetry.line_sink import PIPE_BATCH, LineSink, Losses, NoLosses
from headgate.telemetry.redact import without_keys

MAX_PATH: Final = 1024
MAX_USER_AGENT: Final = 256
MAX_DETAIL: Final = 512
REMEMBERED_TEXTS: Final = 512
# To look a member up in its class costs as much as ten attributes ...
_OK: Final = Reason.OK
_RESPOND: Final = Phase.RESPOND
# ... and to format one as much as a long text
_WORDS: Final[dict[Reason | Phase, str]] = {word: word.value for word in (*Reason, *Phase)}
_KEYLESS_ID: Final = 24
"""Characters that are too few for a key in base64 (``redact``); the gate's own ids have as many."""
_THREE_DIGITS: Final = [f"{number:03d}" for number in range(1000)]


class AccessLog:
    """Writes outcomes to the file descriptor ``fd``.

    ``clock`` gives seconds since the epoch; ``losses`` counts lines that are lost, and ``emit``
    takes the event that some are.  ``flush`` is to be called about once a second.
    """

    def __init__(
        self,
        fd: int,
        clock: Callable[[], float] = time.time,
        losses: Losses | None = None,
        emit: Emit = discard,
    ) -> None:
        self._sink = LineSink(fd, Log.ACCESS, NoLosses() if losses is None else losses, emit)
        self._batch_bytes = self._sink.batch_bytes
        self._clock = clock
        self._lines: list[str] = []
        self._size = 0
        self._dropped = 0  # lost lines that no line has counted yet
        self._counted = 0  # lost lines that the gathered lines count
        # Parts of lines that are often the same, without keys, by what they are made of.
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
            self._counted += self._dropped
            self._dropped = 0

    def flush(self) -> None:
        """Write what was gathered, where there is room for it."""
        self._seal()
        self._sink.flush()
        self._dropped += self._sink.take_uncounted()

    def close(self) -> int:
        """Write what is left; returns how many lost lines no line counts."""
        self._seal()
        return self._dropped + self._sink.close()

    def _seal(self) -> None:
        """Make a batch of the lines."""
        if self._lines:
            self._sink.add("".join(self._lines).encode("ascii"), len(self._lines), self._counted)
            self._lines.clear()
            self._size = 0
            self._counted = 0

    def _line(self, outcome: Outcome, cut: int = 1) -> str:
        """The line; ``cut`` divides how much of each text in it is shown."""
        reason, phase, status = outcome.reason, outcome.phase, outcome.status
        method = outcome.method
        family, endpoint = outcome.family, outcome.endpoint
        principal, principal_id = outcome.principal.name, outcome.principal.id
        client, attempts, user_agent = outcome.client, outcome.attempts, outcome.user_agent
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))
        path = outcome.target.partition(b"?")[0]
        if reason is _OK and phase is _RESPOND:
            key = (method, path, status, family, principal, principal_id, cut)
            request = self._texts.get(key)
            if request is None:
                request = _request_part(
                    reason, phase, status, method, path, family, principal, principal_id, cut
                )
                if len(path) <= MAX_PATH:
                    self._remember(key, request)
        else:
            request = _request_part(
                reason, phase, status, method, path, family, principal, principal_id, cut
            )
        route_key = (client, endpoint, attempts, user_agent, cut)
        route = self._texts.get(route_key)
        if route is None:
            route = _route_part(client, endpoint, attempts, user_agent, cut)
            if len(user_agent) <= MAX_USER_AGENT:
                self._remember(route_key, route)
        extra = ""
        if reason is not _OK:
            shown = without_keys(quote(outcome.detail[: MAX_DETAIL // cut]))
            extra = f',"fault":"{reason.fault}","detail":{shown}'
        if self._dropped:
            extra += f',"lines_dropped":{self._dropped}'
        return (
            f'{self._stamp}{_THREE_DIGITS[int((now - second) * 1000)]}Z",'
            f'"event":"request",{request},'
            f'"request_id":"{_shown_id(outcome.request_id.decode())}",'
            f'"duration_ms":{_milliseconds(outcome.duration)},"upstream_ms":{_milliseconds(outcome.upstream_duration)},'
            f'"bytes_in":{outcome.bytes_in},"bytes_out":{outcome.bytes_out},{route}{extra}}}\n'
        )

    def _remember(self, key: tuple[object, ...], text: str) -> None:
        if len(self._texts) >= REMEMBERED_TEXTS:
            self._texts.clear()
        self._texts[key] = text


def _milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with three decimals."""
    microseconds = int(seconds * 1e6 + 0.5)
    return f"{microseconds // 1000}.{_THREE_DIGITS[microseconds % 1000]}"


def _request_part(
    reason: Reason,
    phase: Phase,
    status: int,
    method: bytes,
    path: bytes,
    family: str,
    principal: str,
    principal_id: str,
    cut: int,
) -> str:
    """The request, its sender, and how it ended."""
    shown = path.partition(b"#")[0]
    if not shown.startswith(b"/"):  # in absolute form; its host may follow a password
        shown = shown.rpartition(b"@")[2]
    return without_keys(
        f'"reason":"{_WORDS[reason]}","phase":"{_WORDS[phase]}","status":{status},'
        f'"method":"{method.decode()}",'
        f'"path":{quote(shown[: MAX_PATH // cut].decode("latin-1"))},'
        f'"family":"{family}","principal":{quote(principal)},"principal_id":{quote(principal_id)}'
    )


def _shown_id(request_id: str) -> str:
    """A request id, which has no escapes: none of the gate's own can hold a key."""
    if len(request_id) <= _KEYLESS_ID and "_" not in request_id:
        return request_id
    return without_keys(request_id)


def _route_part(client: str, endpoint: str, attempts: int, user_agent: bytes, cut: int) -> str:
    """The client and the endpoint."""
    agent = without_keys(quote(user_agent[: MAX_USER_AGENT // cut].decode("latin-1")))
    return (
        f'"client":{quote(client)},"endpoint":"{endpoint}","attempts":{attempts},'
        f'"user_agent":{agent}'
    )
