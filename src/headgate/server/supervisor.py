"""Several workers on one port: started, replaced when they die, stopped together.

The supervisor only forks, waits and passes signals on.  It serves nothing itself and runs no
event loop, so that little can go wrong in it.  A pipe from each worker tells when it serves, why
it cannot, and when it is gone (its end); a pipe to all of them tells when the supervisor is gone.
"""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, Protocol

from headgate.errors import HeadgateError

log = logging.getLogger("headgate.server")

QUICK_DEATH_SECONDS = 5.0
MAX_QUICK_DEATHS = 5
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is replaced, by how many have died quickly one after the other."""
HURRY_SECONDS = 10.0
"""What workers may take to stop after a second signal, when nothing is to be waited for."""
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_CANNOT_START = 2
SERVES = b"s"
CANNOT = b"c"
MESSAGE_BYTES = 4096  # what a pipe takes whole


class WorkerBody(Protocol):
    """What one worker process does."""

    def __call__(self, number: int, ready: Callable[[], None], lifeline: int) -> None:
        """Serve, and return once drained.

        Args:
            number: which worker this is, from 0; one that replaces another has its number.
            ready: to be called once it serves.
            lifeline: a file descriptor that becomes readable when the supervisor is gone.

        Raises:
            HeadgateError: it cannot start.
        """


@dataclass(slots=True)
class _Process:
    pid: int
    number: int
    started: float
    pipe: int
    serves: bool = False
    trouble: str = ""


class Supervisor:
    """Keeps ``count`` worker processes alive, each running ``body``.

    Args:
        count: how many.
        body: what each of them does.
        prepare: called here with a worker's number before that worker is replaced.
        patience: seconds that workers may take to stop; those that are left then are killed.
        clock: gives seconds from an arbitrary start.
    """

    def __init__(
        self,
        count: int,
        body: WorkerBody,
        prepare: Callable[[int], None],
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._body = body
        self._prepare = prepare
        self._patience = patience
        self._clock = clock
        self._processes: dict[int, _Process] = {}  # by pid
        self._due: dict[int, float] = {}  # when to start which number again
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._stopped_by = math.inf  # when patience ends
        self._quick_deaths = 0

    def run(self, ready: Callable[[], None]) -> None:
        """Start the workers and stay until all have stopped; ``ready``: all of them serve.

        Raises:
            HeadgateError: a worker cannot start at first, or none can any longer.
        """
        lifeline, wake = os.pipe(), os.pipe()
        os.set_blocking(wake[1], False)
        self._selector.register(wake[0], selectors.EVENT_READ, None)
        wake_before = signal.set_wakeup_fd(wake[1])  # or else a signal would not end the wait
        before = {number: signal.signal(number, self._pass_on) for number in PASSED_ON}
        try:
            for number in range(self._count):
                self._start(number, lifeline)
            self._watch(ready, lifeline)
        finally:
            self._signal_all(signal.SIGKILL)
            for process in self._processes.values():
                os.waitpid(process.pid, 0)
                os.close(process.pipe)
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wake_before)
            for end in (*lifeline, *wake):
                os.close(end)
            self._selector.close()

    def _watch(self, ready: Callable[[], None], lifeline: tuple[int, int]) -> None:
        """Follow the workers until there is none."""
        announced = False
        while self._processes or (self._due and not self._stopping):
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    os.read(key.fd, MESSAGE_BYTES)  # a signal, which has been passed on already
                else:
                    self._listen(key.data, announced=announced)
            if not announced and all(process.serves for process in self._processes.values()):
                announced = not self._stopping
                if announced:
                    ready()
            for number in [number for number, due in self._due.items() if due <= self._clock()]:
                del self._due[number]
                self._prepare(number)
                self._start(number, lifeline)
            if self._stopped_by <= self._clock():
                self._stopped_by = math.inf
                log.error("%d workers did not stop and are killed", len(self._processes))
                self._signal_all(signal.SIGKILL)

    def _pause(self) -> float | None:
        """How long to wait for the workers: until one is to be started, or all to be killed."""
        moment = min(self._stopped_by, *self._due.values(), math.inf)
        return None if moment == math.inf else max(0.0, moment - self._clock())

    def _listen(self, process: _Process, *, announced: bool) -> None:
        """Take what a worker says, or that it is gone."""
        said = os.read(process.pipe, MESSAGE_BYTES)
        if not said:
            self._bury(process, announced=announced)
            return
        process.serves = process.serves or said.startswith(SERVES)
        trouble = said.removeprefix(SERVES).removeprefix(CANNOT)
        process.trouble = trouble.decode(errors="replace")

    def _start(self, number: int, lifeline: tuple[int, int]) -> None:
        # Until each side has its own handlers a signal would be taken for the other one's.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            if not self._stopping:
                self._fork(number, lifeline)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def _fork(self, number: int, lifeline: tuple[int, int]) -> None:
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._be_worker(number, theirs, lifeline)
        os.close(theirs)
        process = _Process(pid, number, self._clock(), mine)
        self._processes[pid] = process
        self._selector.register(mine, selectors.EVENT_READ, process)

    def _be_worker(self, number: int, pipe: int, lifeline: tuple[int, int]) -> NoReturn:
        """Everything a child process does; nothing of what its parent was at is gone on with."""
        code = 1
        try:
            os.close(lifeline[1])
            os.setpgid(0, 0)  # a terminal's Ctrl-C is for the supervisor, which passes it on once
            signal.set_wakeup_fd(-1)
            for passed in PASSED_ON:
                signal.signal(passed, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it will read is fresh
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
            self._body(number, lambda: _say(pipe, SERVES), lifeline[0])
            code = 0
        except HeadgateError as error:
            _say(pipe, CANNOT + str(error).encode())
            code = EXIT_CANNOT_START
        except Exception:  # supervisor of the child: whatever ended it is logged, then it ends
            log.exception("worker %d failed", number)
        finally:
            try:
                logging.shutdown()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)

    def _bury(self, process: _Process, *, announced: bool) -> None:
        """Collect a worker that is gone, and see to it that another takes its place."""
        self._selector.unregister(process.pipe)
        os.close(process.pipe)
        _, status = os.waitpid(process.pid, 0)
        del self._processes[process.pid]
        if self._stopping:
            return
        if not announced:
            raise HeadgateError(process.trouble or "a worker could not start; the log says why")
        code = os.waitstatus_to_exitcode(status)
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        log.error(
            "worker %d (pid %d) ended %s%s",
            *(process.number, process.pid, how, process.trouble and f": {process.trouble}"),
        )
        self._replace_later(process)

    def _replace_later(self, process: _Process) -> None:
        """See to it that another worker takes the place of one that is gone.

        Raises:
            HeadgateError: none serves any longer, and this has been tried often enough.
        """
        quick = self._clock() - process.started < QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        if self._quick_deaths >= MAX_QUICK_DEATHS and not any(
            other.serves for other in self._processes.values()
        ):
            cause = process.trouble or "their log says why"
            raise HeadgateError(f"workers die as soon as they are started: {cause}")
        pause = PAUSES[min(max(0, self._quick_deaths - 1), len(PAUSES) - 1)]
        self._due[process.number] = self._clock() + pause

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            patience = HURRY_SECONDS if self._stopping else self._patience
            self._stopped_by = min(self._stopped_by, self._clock() + patience)
            self._stopping = True
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for pid in tuple(self._processes):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _say(pipe: int, message: bytes) -> None:
    os.write(pipe, message[:MESSAGE_BYTES])
