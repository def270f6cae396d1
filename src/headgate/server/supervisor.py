"""Several workers on one port: started, replaced when they die, stopped together.

The supervisor only forks, waits and passes signals on.  It serves nothing itself and runs no
event loop, so that little can go wrong in it.  A pipe from each worker tells when it serves (a
byte) and when it is gone (its end); a pipe to all of them tells when the supervisor is gone.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from headgate.errors import HeadgateError

log = logging.getLogger("headgate.server")

QUICK_DEATH_SECONDS = 5.0
MAX_QUICK_DEATHS = 5
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EXIT_CANNOT_START = 2
SERVES = b"s"


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


class Supervisor:
    """Keeps ``count`` worker processes alive, each running ``body``.

    ``clock`` gives seconds from an arbitrary start.
    """

    def __init__(
        self, count: int, body: WorkerBody, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._body = body
        self._clock = clock
        self._processes: dict[int, _Process] = {}  # by pid
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._quick_deaths = 0

    def run(self, ready: Callable[[], None]) -> None:
        """Start the workers and stay until all have stopped; ``ready``: all of them serve.

        Raises:
            HeadgateError: a worker cannot start, or they die as soon as they are started.
        """
        lifeline, held = os.pipe()
        before = {number: signal.signal(number, self._pass_on) for number in PASSED_ON}
        try:
            for number in range(self._count):
                self._start(number, lifeline, held)
            self._watch(ready, lifeline, held)
        finally:
            self._signal_all(signal.SIGKILL)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(lifeline)
            os.close(held)
            self._selector.close()

    def _watch(self, ready: Callable[[], None], lifeline: int, held: int) -> None:
        """Follow the workers until there is none."""
        announced = False
        while self._processes:
            for key, _ in self._selector.select():
                process: _Process = key.data
                if os.read(process.pipe, 1):
                    process.serves = True
                elif self._bury(process) and not self._stopping:
                    self._replace(process, lifeline, held, announced=announced)
            if not announced and all(process.serves for process in self._processes.values()):
                announced = not self._stopping
                if announced:
                    ready()

    def _start(self, number: int, lifeline: int, held: int) -> None:
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(held)
            os._exit(self._be_worker(number, theirs, lifeline))
        os.close(theirs)
        process = _Process(pid, number, self._clock(), mine)
        self._processes[pid] = process
        self._selector.register(mine, selectors.EVENT_READ, process)
        if self._stopping:  # the signal came between the fork and now
            os.kill(pid, signal.SIGTERM)

    def _be_worker(self, number: int, pipe: int, lifeline: int) -> int:
        """Everything a child process does; its exit code."""
        for passed in PASSED_ON:
            signal.signal(passed, signal.SIG_DFL)
        try:
            self._body(number, lambda: _say_serves(pipe), lifeline)
        except HeadgateError as error:
            sys.stderr.write(f"headgate: {error}\n")
            return EXIT_CANNOT_START
        except Exception:  # supervisor of the child: whatever ended it is logged, then it ends
            log.exception("worker %d failed", number)
            return 1
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        return 0

    def _bury(self, process: _Process) -> bool:
        """Collect a worker that is gone; whether it ended in another way than by being told."""
        self._selector.unregister(process.pipe)
        os.close(process.pipe)
        _, status = os.waitpid(process.pid, 0)
        del self._processes[process.pid]
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            return False
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        log.error("worker %d (pid %d) ended %s", process.number, process.pid, how)
        return True

    def _replace(self, process: _Process, lifeline: int, held: int, *, announced: bool) -> None:
        if not announced:
            raise HeadgateError("a worker could not start; its own message is above")
        quick = self._clock() - process.started < QUICK_DEATH_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if quick else 0
        if self._quick_deaths >= MAX_QUICK_DEATHS:
            raise HeadgateError("workers die as soon as they are started; their log says why")
        self._start(process.number, lifeline, held)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGHUP:
            self._stopping = True
        self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        for pid in tuple(self._processes):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _say_serves(pipe: int) -> None:
    os.write(pipe, SERVES)
