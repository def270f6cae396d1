"""Runs a command for as long as whoever started this program lives.

    python leash.py GRACE COMMAND [ARGUMENT…]

Standard input is the leash: a pipe whose other end the owner holds and never writes to.  It
closes when the owner lets go of it and also when the owner dies, by whatever signal, so one
mechanism serves both.  The command and all it started then get SIGTERM, and SIGKILL once the
command has ended or GRACE seconds have passed.

The program is run by path and imports the standard library alone: it stays as small as a
process of its own can be.  It must be started as the leader of a new process group, which its
last SIGKILL ends with everything in it, this program included.
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
    """Run the command until it ends or the leash closes; its exit code is the response."""
    grace, command = float(arguments[0]), arguments[1:]
    wake = _wake_on_child_exit()
    # The SIGTERM for the group must not end the one that is to send the SIGKILL.
    signal.signal(signal.SIGTERM, _ignore)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - it is our purpose
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while child.poll() is None:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 4096)
            if sys.stdin.fileno() in ready:
                _end_group(child, grace)
    os.killpg(0, signal.SIGTERM)  # for what a command that died may have left behind
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
    signal.signal(signal.SIGCHLD, _ignore)  # without a handler there is no wake-up
    return reader


def _ignore(_signum: int, _frame: FrameType | None) -> None:
    """Receive a signal without acting on it.  Unlike SIG_IGN, children do not inherit this."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
