"""Runs a server, and lets it serve on for some seconds after SIGTERM.

    python3 serve_until_unused.py SECONDS COMMAND [ARGUMENT …]

ECS sends SIGTERM as soon as a task is deregistered from Cloud Map, while clients still know its
address until the TTL of the record ends.  A server that closes its listener immediately refuses
their connections.  So the signal is passed on only after SECONDS; SIGINT immediately.

The signal goes to the whole process group: `mlflow server` starts the real server as a child, and
would end without it.  This program ends when all of the group have.  Its exit code is that of
COMMAND; 128 + N if signal N ended it, as a shell has it, but 0 if that was the SIGTERM passed on.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType


def main(arguments: Sequence[str]) -> int:
    """Run the command until it ends; the exit code."""
    seconds, command = float(arguments[0]), arguments[1:]
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()  # a handler may interrupt another's put
    never = threading.Event()

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.put(number)
        signals.append(number)

    signals: list[int] = []
    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    server = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the task's own command

    def stop() -> None:
        number, until = asked.get(), time.monotonic() + seconds
        if number != signal.SIGINT:
            say(f"SIGTERM: serving on for {seconds:g} s, until clients use other tasks")
        with contextlib.suppress(queue.Empty):
            while number != signal.SIGINT:
                number = asked.get(timeout=max(0.0, until - time.monotonic()))
        say("stopping the server")
        send(server.pid, signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    code = server.wait()
    stopped = bool(signals)
    if stopped:
        while send(server.pid, 0):  # requests in progress; ECS has the last word, with SIGKILL
            never.wait(0.1)
    elif send(server.pid, signal.SIGTERM):  # it ended by itself: nobody needs what it has left
        never.wait(5)
        send(server.pid, signal.SIGKILL)
    if code < 0:
        return 0 if stopped and code == -signal.SIGTERM else 128 - code
    return code


def send(group: int, number: int) -> bool:
    """Send a signal to a process group; whether anybody is left in it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def say(text: str) -> None:
    """One line of the log."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
