"""Runs a command until the parent process exits or closes the pipe to it.

    python parent_watch.py GRACE COMMAND [ARGUMENT…]

Standard input is a pipe whose other end the parent holds and never writes to.  The pipe closes when
the parent closes it, and also when the parent is killed.  The command and its children then get
SIGTERM, and SIGKILL after the command has exited or GRACE seconds have passed.

The program is run by path and imports only the standard library, to use little memory.  It must be
started as the leader of a new process group; its final SIGKILL ends the whole group, including
itself.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str]) -> int:
    """Run the command until it exits or the pipe closes; return its exit code."""
    grace, command = float(arguments[0]), arguments[1:]
    wake = _wake_on_child_exit()
    # The SIGTERM to the group must not end this process, which sends the SIGKILL.
    signal.signal(signal.SIGTERM, _ignore)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - running it is the purpose
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while child.poll() is None:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 4096)
            if sys.stdin.fileno() in ready:
                _end_group(child, grace)
    os.killpg(0, signal.SIGTERM)  # for children that a killed command has left
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(grace)
    os.killpg(0, signal.SIGKILL)


def _wake_on_child_exit() -> int:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, _ignore)  # without a handler, nothing wakes the selector
    return reader


def _ignore(_signum: int, _frame: FrameType | None) -> None:
    """Ignore a signal.  Unlike SIG_IGN, children do not inherit this."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
