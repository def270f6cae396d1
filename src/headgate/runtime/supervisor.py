"""The worker processes of a gate: started, watched, replaced when they die, stopped together.

The supervisor only forks, waits and passes signals on.  It serves nothing itself, runs no event
loop and reads nothing from disk, so that little can go wrong in it.  A link to each worker
(``link.py``) tells when it serves, why it cannot, and what it leaves to the one that replaces it;
a pipe to all of them tells when the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from headgate.errors import HeadgateError
from headgate.runtime.link import CANNOT, KEEPS, MESSAGE_BYTES, SERVES, Ends, Kept, Link
from headgate.runtime.processes import (
    LOG_SIGNALS,
    PASSED_ON,
    STOPS,
    Process,
    WorkerBody,
    be_worker,
)
from headgate.runtime.pulse import Stopwatch
from headgate.telemetry.event_log import fields

log = logging.getLogger("headgate.runtime")

QUICK_DEATH_SECONDS = 5.0
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is replaced, by how many have died quickly one after the other."""
HURRY_SECONDS = 10.0
"""What workers may take to stop after a second signal, when nothing is to be waited for."""
START_SECONDS = 60.0
"""What a worker may take before its event loop runs, and after it has ended."""
STUCK_SECONDS = 15.0
HANDLED = (*PASSED_ON, *LOG_SIGNALS, signal.SIGCHLD)
STACK_MARK = "Timeout ("
"""How ``faulthandler`` begins what it writes of a loop that stands still."""


class Cause(enum.StrEnum):
    """Why a worker was replaced."""

    STUCK = "stuck"
    SIGNAL = "signal"
    EXIT = "exit"


class Vitals(Protocol):
    """Memory that the supervisor shares with its workers."""

    def beat(self, worker: int, value: int) -> None:
        """Set the heartbeat of a worker."""

    def heartbeat(self, worker: int) -> int:
        """The heartbeat of a worker."""
        ...

    def count_restart(self, cause: str) -> None:
        """Count a worker that was replaced."""


class Supervisor:
    """Keeps ``count`` worker processes alive, each running ``body``.

    Args:
        count: how many.
        body: what each of them does.
        prepare: called here with a worker's number before that worker is replaced.
        patience: seconds that workers may take to stop; those that are left then are killed.
        vitals: heartbeats and counts, in memory shared with the workers.
        stuck_after: seconds for which a worker's event loop may stand still.
        reloads: whether SIGHUP reloads; if not, a terminal is gone, and it stops the gate.
        clock: gives seconds from an arbitrary start.
    """

    def __init__(
        self,
        count: int,
        body: WorkerBody,
        prepare: Callable[[int], None],
        patience: float,
        vitals: Vitals,
        *,
        stuck_after: float = STUCK_SECONDS,
        reloads: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._body = body
        self._prepare = prepare
        self._patience = patience
        self._vitals = vitals
        self._stuck_after = stuck_after
        self._reloads = reloads
        self._clock = clock
        self._watch = Stopwatch(clock())
        self._processes: dict[int, Process] = {}  # by pid
        self._due: dict[int, float] = {}  # when to start which number again
        self._kept = Kept()
        self._selector = selectors.DefaultSelector()
        self._announced = False
        self._stopping = False
        self._stopped_by = math.inf  # when patience ends
        self._quick_deaths = 0
        self._signals: list[int] = []  # to be logged outside the handler

    def run(self, ready: Callable[[], None]) -> None:
        """Start the workers and stay until all have stopped; ``ready``: all of them serve.

        Raises:
            HeadgateError: a worker cannot start at first.
        """
        lifeline, wake = os.pipe(), os.pipe()
        os.set_blocking(wake[1], False)
        self._selector.register(wake[0], selectors.EVENT_READ, None)
        wake_before = signal.set_wakeup_fd(wake[1])  # or else a signal would not end the wait
        before = {number: signal.signal(number, self._on_signal) for number in HANDLED}
        try:
            for number in range(self._count):
                self._start(number, lifeline, replaces=False)
            self._follow(ready, lifeline)
        finally:
            self._signal_all(signal.SIGKILL)
            for process in self._processes.values():
                os.waitpid(process.pid, 0)
                process.ends.close()
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wake_before)
            for end in (*lifeline, *wake):
                os.close(end)
            self._selector.close()
            self._kept.close()

    def _follow(self, ready: Callable[[], None], lifeline: tuple[int, int]) -> None:
        """Follow the workers until there is none."""
        while self._processes or (self._due and not self._stopping):
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    os.read(key.fd, MESSAGE_BYTES)  # a signal
                elif key.fd == key.data.ends.output:
                    if not key.data.drain_output():  # its end
                        self._selector.unregister(key.fd)
                else:
                    self._listen(key.data)
            self._log_signals()
            self._reap()
            if not self._announced and all(each.serves for each in self._processes.values()):
                self._announced = not self._stopping
                if self._announced:
                    ready()
            self._look()
            self._start_due(lifeline)
            if self._stopped_by <= self._clock():
                self._stopped_by = math.inf
                self._tell(
                    logging.ERROR,
                    "workers_killed",
                    f"{len(self._processes)} workers did not stop and are killed",
                )
                self._signal_all(signal.SIGKILL)

    def _pause(self) -> float:
        """How long to wait for the workers."""
        moment = min(self._stopped_by, self._watch.due, *self._due.values(), math.inf)
        return max(0.0, moment - self._clock())

    def _start_due(self, lifeline: tuple[int, int]) -> None:
        """Start the workers whose pause is over."""
        for number in [number for number, due in self._due.items() if due <= self._clock()]:
            del self._due[number]
            try:
                self._prepare(number)
                self._start(number, lifeline, replaces=True)
            except (HeadgateError, OSError) as error:  # the port is taken, or no memory is left
                log.error("worker %d cannot be replaced yet: %s", number, error)
                self._due[number] = self._clock() + PAUSES[-1]

    # --- what workers say ------------------------------------------------------------------

    def _listen(self, process: Process) -> None:
        """Take what a worker says."""
        while (received := process.ends.receive()) is not None:
            message, file = received
            if message.startswith(KEEPS) and file is not None:
                self._kept.replace(message.removeprefix(KEEPS).decode(), file)
                continue
            if file is not None:
                os.close(file)
            if not message:  # it has closed its end, and is about to be gone
                if process.ends.channel in self._selector.get_map():
                    self._selector.unregister(process.ends.channel)
                return
            process.serves = process.serves or message == SERVES
            if message.startswith(CANNOT):
                process.trouble = message.removeprefix(CANNOT).decode(errors="replace")

    def _look(self) -> None:
        """Look after heartbeats and raw output, if it is time."""
        now = self._clock()
        if now < self._watch.due:
            return
        elapsed = self._watch.lap(now)
        for process in tuple(self._processes.values()):
            process.pulse.note(self._vitals.heartbeat(process.number), elapsed)
            allowed = self._stuck_after if process.pulse.beat else START_SECONDS
            if process.pulse.silent >= allowed and not process.stuck:
                self._kill_stuck(process)
            elif process.output and not process.fresh:
                self._log_output(process)
            process.fresh = False

    def _kill_stuck(self, process: Process) -> None:
        """End a worker that serves nobody; like any that dies it is replaced."""
        process.stuck = True
        runs, seconds = process.pulse.beat > 0, round(process.pulse.silent, 1)
        what = "its event loop stands still" if runs else "it has not started, or not ended,"
        self._tell(
            logging.ERROR,
            "worker_stuck",
            f"worker {process.number} (pid {process.pid}) is stuck and is killed: {what} "
            f"{'for' if runs else 'within'} {seconds:g} s",
            process,
            seconds=seconds,
            stack=process.take_output(),
        )
        _kill(process.pid, signal.SIGKILL)

    def _log_output(self, process: Process) -> None:
        """Log what a worker has written besides its events."""
        if process.output.lstrip().startswith(STACK_MARK.encode()):
            if process.pulse.silent > 2:
                return  # it is needed if the loop goes on to stand still
            name = "worker_stalled"
            what = "had an event loop that stood still for a while, or was suspended; it goes on"
        else:
            name, what = "worker_output", "wrote to standard error"
        self._tell(
            logging.WARNING,
            name,
            f"worker {process.number} (pid {process.pid}) {what}",
            process,
            output=process.take_output(),
        )

    # --- processes -------------------------------------------------------------------------

    def _start(self, number: int, lifeline: tuple[int, int], *, replaces: bool) -> None:
        # Until each side has its own handlers a signal would be taken for the other one's.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            if not self._stopping:
                self._fork(number, lifeline, replaces=replaces)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def _fork(self, number: int, lifeline: tuple[int, int], *, replaces: bool) -> None:
        self._vitals.beat(number, 0)
        ends = Ends()
        try:
            pid = os.fork()
        except OSError:
            ends.close_theirs()
            ends.close()
            raise
        if pid == 0:
            os.close(lifeline[1])
            for other in self._processes.values():
                other.ends.close()
            ends.close()
            link = Link(
                number,
                lifeline[0],
                replaces,
                ends.their_output,
                ends.theirs,
                self._kept,
                lambda value: self._vitals.beat(number, value),
            )
            be_worker(self._body, link)
        ends.close_theirs()
        process = Process(pid, number, self._clock(), ends)
        self._processes[pid] = process
        self._selector.register(ends.channel, selectors.EVENT_READ, process)
        self._selector.register(ends.output, selectors.EVENT_READ, process)

    def _reap(self) -> None:
        """Collect the workers that are gone."""
        for process in tuple(self._processes.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                self._bury(process, os.waitstatus_to_exitcode(status))

    def _bury(self, process: Process, code: int) -> None:
        """See to it that another worker takes the place of one that is gone."""
        self._listen(process)
        output = process.take_output()
        for end in (process.ends.channel, process.ends.output):
            if end in self._selector.get_map():
                self._selector.unregister(end)
        process.ends.close()
        del self._processes[process.pid]
        if self._stopping:
            return
        if not self._announced:
            raise HeadgateError(process.trouble or "a worker could not start; the log says why")
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        more: dict[str, object] = {"output": output} if output else {}
        self._tell(
            logging.ERROR,
            "worker_ended",
            f"worker {process.number} (pid {process.pid}) ended {how}"
            f"{process.trouble and f': {process.trouble}'}",
            process,
            **more,
        )
        cause = Cause.STUCK if process.stuck else Cause.SIGNAL if code < 0 else Cause.EXIT
        self._vitals.count_restart(cause)
        quick = self._clock() - process.started < QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        pause = PAUSES[min(max(0, self._quick_deaths - 1), len(PAUSES) - 1)]
        self._due[process.number] = self._clock() + pause

    # --- signals ---------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._reloads:
            number = signal.SIGINT
        if number in STOPS:
            patience = HURRY_SECONDS if self._stopping else self._patience
            self._stopped_by = min(self._stopped_by, self._clock() + patience)
            self._stopping = True
        if number in PASSED_ON:
            self._signal_all(number)
        self._signals.append(number)

    def _log_signals(self) -> None:
        """Log the signals that came; not done by the handler, which may interrupt a log line."""
        while self._signals:
            number = signal.Signals(self._signals.pop(0))
            if number in STOPS:
                self._tell(logging.INFO, "stopping", f"{number.name}: the gate stops")
            elif number in LOG_SIGNALS:
                self._tell(
                    logging.INFO,
                    "logs_kept",
                    f"{number.name}: the logs go to standard output and standard error, so there "
                    "is no file to reopen",
                )

    def _signal_all(self, number: int) -> None:
        for pid in tuple(self._processes):
            _kill(pid, number)

    @staticmethod
    def _tell(
        level: int, event: str, text: str, process: Process | None = None, **values: object
    ) -> None:
        """Log an event, for people and for programs."""
        if process is not None:
            values = {"worker": process.number, "worker_pid": process.pid} | values
        log.log(level, "%s", text, extra=fields(event, **values))


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
