"""Processes forked by a test: a supervisor and its workers, and how they tell what they do."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
import signal
from functools import partial
from types import FrameType
from typing import Any

from headgate.errors import HeadgateError
from headgate.runtime.processes import WorkerBody
from headgate.runtime.supervisor import Supervisor
from headgate.telemetry.counters import Counters
from headgate.telemetry.event_counters import EventCounters

WAIT = 60.0
"""Seconds; only a failing test waits that long."""


STOPS = (signal.SIGTERM, signal.SIGINT)


class Reports:
    """A pipe on which forked processes report, one JSON list a line."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._unread = b""

    def say(self, *words: object) -> None:
        os.write(self._writer, json.dumps(words).encode() + b"\n")

    def next(self) -> list[Any]:
        """Wait for the next report."""
        while b"\n" not in self._unread:
            assert select.select([self._reader], [], [], WAIT)[0], "no report"
            self._unread += os.read(self._reader, 65536)
        line, _, self._unread = self._unread.partition(b"\n")
        found = json.loads(line)
        assert isinstance(found, list)
        return found

    def several(self, count: int) -> list[list[Any]]:
        return sorted(self.next() for _ in range(count))

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


class Orders:
    """The order to stop, heard from now on."""

    def __init__(self) -> None:
        self._heard, tell = os.pipe()
        os.set_blocking(tell, False)
        # Written to immediately: a handler would wait for a system call that is about to begin.
        signal.set_wakeup_fd(tell)
        for number in STOPS:
            signal.signal(number, _nothing_more)

    def await_stop(self, lifeline: int) -> None:
        """Return when it comes, or when nobody supervises."""
        while True:
            ready, _, _ = select.select([self._heard, lifeline], [], [])
            if lifeline in ready or os.read(self._heard, 1)[0] in STOPS:
                return


def _nothing_more(_number: int, _frame: FrameType | None) -> None:
    """Keep the signal from ending the process."""


class Tally:
    """Counts in memory that forked processes share."""

    def __init__(self) -> None:
        self._cell = memoryview(mmap.mmap(-1, 8)).cast("Q")

    def add(self) -> int:
        """Count one more; only one process at a time may."""
        self._cell[0] += 1
        return self._cell[0]


class Supervised:
    """A supervisor in a process of its own, so that it can be sent signals."""

    def __init__(
        self,
        reports: Reports,
        count: int,
        body: WorkerBody,
        patience: float = WAIT,
        stuck_after: float = WAIT,
    ) -> None:
        self.counters = Counters(count)
        self.pid = os.fork()
        if self.pid == 0:
            code = 9
            try:
                os.setpgid(0, 0)
                prepare = partial(reports.say, "prepare")
                made = Supervisor(
                    count,
                    body,
                    prepare,
                    patience,
                    self.counters,
                    EventCounters(self.counters.supervisor_row()),
                    stuck_after=stuck_after,
                )
                made.run(lambda: reports.say("announced"))
                code = 0
            except HeadgateError as error:
                reports.say("failed", str(error))
                code = 2
            finally:
                os._exit(code)
        self._process = os.pidfd_open(self.pid)
        self._code: int | None = None

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill_group(self, number: signal.Signals) -> None:
        """What a terminal does for Ctrl-C."""
        os.killpg(self.pid, number)

    def exit_code(self) -> int:
        """Wait for its end."""
        assert select.select([self._process], [], [], WAIT)[0], "the supervisor has not ended"
        return self._reap()

    def close(self) -> None:
        """End it and its workers, whatever they do.

        One that outlives the tests keeps their output open, and who reads that waits for it.
        """
        if self._code is None:
            self.kill(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):  # all have ended, or there were none yet
            self.kill_group(signal.SIGKILL)
        if self._code is None:
            self._reap()
        os.close(self._process)

    def _reap(self) -> int:
        self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code
