"""A worker process as its supervisor knows it, and what the child does after a fork."""

from __future__ import annotations

import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from headgate.errors import HeadgateError
from headgate.events import Emit, InternalError
from headgate.runtime.link import OUTPUT_BYTES, Ends, Link
from headgate.runtime.pulse import Pulse
from headgate.runtime.signals import LOG_SIGNALS, PASSED_ON

EXIT_CANNOT_START = 2


class WorkerBody(Protocol):
    """What one worker process does."""

    def __call__(self, link: Link) -> None:
        """Serve, and return once drained.

        Raises:
            HeadgateError: it cannot start.
        """


@dataclass(slots=True)
class Process:
    """A worker process, as its supervisor knows it.

    ``started``: when, on the supervisor's clock.  ``replaces``: whether another worker had its
    number before.  ``prepared``: whether it waits until it may accept.  ``serves``: whether it has
    said so.  ``trouble``: why it cannot start.  ``stuck``: whether it was killed because it stood
    still.
    """

    pid: int
    number: int
    started: float
    ends: Ends
    replaces: bool
    prepared: bool = False
    serves: bool = False
    trouble: str = ""
    stuck: bool = False
    pulse: Pulse = field(default_factory=Pulse)
    output: bytes = b""
    """What it has written and the supervisor has not logged yet."""
    fresh: bool = False
    """Whether there was output since the last look."""

    def drain_output(self) -> bool:
        """Take in what it has written; whether there was any."""
        found = self.ends.read_output()
        if found:
            self.output = (self.output + found)[-OUTPUT_BYTES:]
            self.fresh = True
        return bool(found)

    def take_output(self) -> str:
        """What it has written since the last call, as text."""
        self.drain_output()
        found, self.output = self.output, b""
        return found.decode(errors="replace").strip()


def be_worker(body: WorkerBody, link: Link, emit: Emit) -> NoReturn:
    """Everything a child process does; it never returns into its parent's code."""
    code = 1
    try:
        os.setpgid(0, 0)  # a terminal's Ctrl-C is for the supervisor, which passes it on once
        signal.set_wakeup_fd(-1)
        for default in (*PASSED_ON, signal.SIGCHLD):
            signal.signal(default, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it will read is fresh
        for ignored in LOG_SIGNALS:
            signal.signal(ignored, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        try:
            body(link)
        except HeadgateError as error:
            link.cannot(str(error))
            code = EXIT_CANNOT_START
        else:
            code = 0
    except Exception as error:  # noqa: BLE001 - supervisor of the child: any error is logged, and ends it
        emit(InternalError(f"running worker {link.number}", error))
    finally:
        try:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
