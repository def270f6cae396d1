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
from headgate.model import (
    AttemptFailure,
    FailedAttempt,
    Operation,
    Outcome,
    Phase,
    Principal,
    Source,
)
from headgate.reasons import Reason
from headgate.telemetry.client_version import client_version
from headgate.telemetry.console import Console
from headgate.telemetry.line_sink import PIPE_BATCH, LineSink, Losses, NoLosses
from headgate.telemetry.redact import shown_path, without_keys
from headgate.telemetry.sampling import Sampling

MAX_PATH: Final = 1024
MAX_USER_AGENT: Final = 256
MAX_DETAIL: Final = 512
"""Of ``detail``, and of ``message``."""
MAX_REPLAYED: Final = 16
MAX_RETRIES: Final = 4
COLOURS: Final = 64
"""Characters that colours may add to a line."""
REMEMBERED_TEXTS: Final = 512
# To look a member up in its class costs as much as ten attributes ...
_OK: Final = Reason.OK
_RESPOND: Final = Phase.RESPOND
_MLFLOW: Final = Source.MLFLOW
_GATE: Final = Source.GATE
# ... and to format one as much as a long text
_WORDS: Final[dict[Reason | Phase | AttemptFailure, str]] = {
    word: word.value for word in (*Reason, *Phase, *AttemptFailure)
}
_KEYLESS_ID: Final = 24
"""Characters that are too few for a key in base64 (``redact``); the gate's own ids have as many."""
_THREE_DIGITS: Final = [f"{number:03d}" for number in range(1000)]
_WHOLE: Final = [f"{number}." for number in range(1000)]


class AccessLog:
    """Writes outcomes to the file descriptor ``fd``.

    ``clock`` gives seconds since the epoch; ``losses`` counts lines that are lost, and ``emit``
    takes the event that some are.  ``console`` makes lines for a person; without it they are JSON.
    ``flush`` is to be called about once a second.
    """

    def __init__(
        self,
        fd: int,
        clock: Callable[[], float] = time.time,
        losses: Losses | None = None,
        emit: Emit = discard,
        console: Console | None = None,
    ) -> None:
        self._losses = NoLosses() if losses is None else losses
        self._sink = LineSink(fd, Log.ACCESS, self._losses, emit)
        self._console = console
        self._batch_bytes = self._sink.batch_bytes
        self._clock = clock
        self._lines: list[str] = []
        self._size = 0
        self._dropped = 0  # lost lines that no line has counted yet
        self._counted = 0  # lost lines that the gathered lines count
        # Parts of lines that are often the same, without keys, by what they are made of; and the
        # objects in whose place their ids are in the key, which stay alive for that.
        self._texts: dict[tuple[object, ...], tuple[str, object, object]] = {}
        self._second = -1
        self._stamp = ""
        self._sampling: Sampling | None = None
        self._left_out = 0

    def sample(self, sampling: Sampling | None) -> None:
        """Leave out what ``sampling`` says from now on; ``None``: nothing."""
        self._sampling = sampling

    def write(self, outcome: Outcome) -> None:
        """Add the line of one request."""
        rate = 1.0
        sampling = self._sampling
        if sampling is not None:
            rate = sampling.rate(outcome)
            if rate < 1.0 and not sampling.keeps(outcome, rate):
                self._left_out += 1
                return
        line = self._shortened(outcome, rate)
        self._size += len(line)
        if self._size > self._batch_bytes:
            before = self._dropped
            self.flush()
            if self._dropped != before:  # which this line has to say
                line = self._shortened(outcome, rate)
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
        if self._left_out:
            self._losses.leave_out(self._left_out)
            self._left_out = 0

    def close(self) -> int:
        """Write what is left; returns how many lost lines no line counts."""
        self.flush()
        return self._dropped + self._sink.close()

    def _seal(self) -> None:
        """Make a batch of the lines."""
        if self._lines:
            self._sink.add("".join(self._lines).encode("ascii"), len(self._lines), self._counted)
            self._lines.clear()
            self._size = 0
            self._counted = 0

    def _shortened(self, outcome: Outcome, rate: float) -> str:
        """The line, which a pipe takes whole."""
        line = self._line(outcome, 1, rate)
        if len(line) > PIPE_BATCH - COLOURS:  # escapes can make twelve characters of one
            line = self._line(outcome, 8, rate)
            if len(line) > PIPE_BATCH - COLOURS:
                line = self._line(outcome, 64, rate)
        return line if self._console is None else self._console.line(line)

    def _line(self, outcome: Outcome, cut: int, rate: float) -> str:
        """The line; ``cut`` divides how much of each text in it is shown."""
        reason = outcome.reason
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))
        extra = ""
        trace = outcome.trace
        if trace is not None:
            extra = f'"trace_id":"{trace.trace_id.decode()}",'
            if trace.span_id:
                extra += f'"span_id":"{trace.span_id.decode()}",'
        if outcome.queue_duration:
            extra += f'"queue_ms":{_milliseconds(outcome.queue_duration)},'
        if outcome.hold_duration:
            extra += f'"hold_ms":{_milliseconds(outcome.hold_duration)},'
        if outcome.connect_duration:
            extra += f'"connect_ms":{_milliseconds(outcome.connect_duration)},'
        if outcome.first_byte_after:
            extra += f'"first_byte_ms":{_milliseconds(outcome.first_byte_after)},'
        end = _failure_part(outcome, cut) if reason is not _OK or outcome.retries else ""
        if not outcome.endpoint and outcome.replayed:
            end += f',"replayed":{without_keys(quote(outcome.replayed[: MAX_REPLAYED // cut]))}'
        if rate < 1.0:
            end += f',"sample_rate":{rate}'
        if self._dropped:
            end += f',"lines_dropped":{self._dropped}'
        return (
            f'{self._stamp}{_THREE_DIGITS[int((now - second) * 1000)]}Z",'
            f'"event":"request",{self._request(outcome, cut)},'
            f'"request_id":"{_shown_id(outcome.request_id.decode())}",{extra}'
            f'"duration_ms":{_milliseconds(outcome.duration)},'
            f'"upstream_ms":{_milliseconds(outcome.upstream_duration)},'
            f'"gate_ms":{_milliseconds(outcome.gate_duration)},'
            f'"bytes_in":{outcome.bytes_in},"bytes_out":{outcome.bytes_out},'
            f"{self._way(outcome, cut)}{end}}}\n"
        )

    def _request(self, outcome: Outcome, cut: int) -> str:
        """The request, its sender, and how it ended."""
        path = outcome.target.partition(b"?")[0]
        if outcome.reason is not _OK or outcome.phase is not _RESPOND:
            return _request_part(outcome, path, cut)
        operation, principal, source = outcome.operation, outcome.principal, outcome.source
        key = (
            outcome.method,
            path,
            outcome.status,
            outcome.canonical,
            outcome.path,
            id(operation),
            id(principal),
            source is _MLFLOW,
            cut,
        )
        found = self._texts.get(key)
        if found is not None:
            return found[0]
        text = _request_part(outcome, path, cut)
        if len(path) <= MAX_PATH:
            self._remember(key, (text, operation, principal))
        return text

    def _way(self, outcome: Outcome, cut: int) -> str:
        """The client, the upstream and the endpoint."""
        key = (
            outcome.client,
            outcome.upstream,
            outcome.endpoint,
            outcome.attempts,
            outcome.user_agent,
            cut,
        )
        found = self._texts.get(key)
        if found is not None:
            return found[0]
        text = _way_part(outcome, cut)
        if len(outcome.user_agent) <= MAX_USER_AGENT:
            self._remember(key, (text, None, None))
        return text

    def _remember(self, key: tuple[object, ...], text: tuple[str, object, object]) -> None:
        if len(self._texts) >= REMEMBERED_TEXTS:
            self._texts.clear()
        self._texts[key] = text


def _milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with three decimals."""
    microseconds = int(seconds * 1e6 + 0.5)
    whole, part = microseconds // 1000, _THREE_DIGITS[microseconds % 1000]
    # To format a number and to put two texts together cost four times as much as to add two.
    return _WHOLE[whole] + part if 0 <= whole < 1000 else f"{whole}.{part}"


def _request_part(outcome: Outcome, path: bytes, cut: int) -> str:
    shown = shown_path(path)
    source = outcome.source
    answered_by = "mlflow" if source is _MLFLOW else "gate" if source is _GATE else "none"
    return without_keys(
        f'"reason":"{_WORDS[outcome.reason]}","phase":"{_WORDS[outcome.phase]}",'
        f'"status":{outcome.status},"source":"{answered_by}",'
        f'"method":"{outcome.method.decode()}","path":{_shown_path(shown, cut)},'
        f"{_route_part(outcome, shown, cut)}{_sender_part(outcome.principal)}"
    )


def _route_part(outcome: Outcome, shown: bytes, cut: int) -> str:
    """What the path became; ``shown``: as the client wrote it."""
    operation: Operation | None = outcome.operation
    if operation is None:
        return '"family":"none",'
    canonical, path = outcome.canonical, outcome.path
    text = (
        f'"route":{quote(operation.route(canonical))},"operation":{quote(operation.name)},'
        f'"family":"{operation.family}",'
    )
    if canonical != shown:
        text += f'"canonical_path":{_shown_path(canonical, cut)},'
    if path and path != canonical:
        text += f'"upstream_path":{_shown_path(path.partition(b"?")[0], cut)},'
    return text


def _shown_path(path: bytes, cut: int) -> str:
    return quote(path[: MAX_PATH // cut].decode("latin-1"))


def _sender_part(principal: Principal) -> str:
    text = (
        f'"principal":{quote(principal.name)},"principal_id":{quote(principal.id)},'
        f'"authenticator":"{principal.method.value}"'
    )
    return text + f',"key_id":{quote(principal.credential)}' if principal.credential else text


def _shown_id(request_id: str) -> str:
    """A request id, which has no escapes: none of the gate's own can hold a key."""
    if len(request_id) <= _KEYLESS_ID and "_" not in request_id:
        return request_id
    return without_keys(request_id)


def _way_part(outcome: Outcome, cut: int) -> str:
    agent = outcome.user_agent
    version = client_version(agent)
    return (
        f'"client":{quote(outcome.client)},'
        + (f'"upstream":{quote(outcome.upstream)},' if outcome.upstream else "")
        + f'"endpoint":"{outcome.endpoint}","attempts":{outcome.attempts},'
        f'"user_agent":{without_keys(quote(agent[: MAX_USER_AGENT // cut].decode("latin-1")))}'
        + (f',"client_version":"{version}"' if version else "")
    )


def _failure_part(outcome: Outcome, cut: int) -> str:
    """Attempts that failed, and what is wrong with the request."""
    text = ""
    if outcome.retries:
        shown = ",".join(
            [_retry(each) for each in outcome.retries[: MAX_RETRIES if cut == 1 else 1]]
        )
        text = f',"retries":[{shown}]'
    if outcome.reason is not _OK:
        text += f',"fault":"{outcome.reason.fault}"'
        if outcome.message:
            text += f',"message":{without_keys(quote(outcome.message[: MAX_DETAIL // cut]))}'
        text += f',"detail":{without_keys(quote(outcome.detail[: MAX_DETAIL // cut]))}'
    return text


def _retry(attempt: FailedAttempt) -> str:
    return (
        f'{{"endpoint":"{attempt.endpoint}","cause":"{_WORDS[attempt.failure]}",'
        f'"ms":{_milliseconds(attempt.ended - attempt.began)}}}'
    )
