"""``headgate``, which is killed as soon as the journal of an upgrade says a word: a program.

``python -m tests.support.maintenance_killed STEP SECONDS ARGUMENTS…`` runs the command, and kills
itself so many seconds after the journal names the step: in the middle of it, or, after 0 seconds,
before its first action.  A step that takes less time is killed at its end, before the journal names
the next.  The step ``end`` stands for the last entry, which is then not written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from headgate.cli import main
from headgate.deploy.mlflow.folder import LocalFolder

END = "end"


def kill() -> None:
    """End this process as the kernel does that is short of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(step: str, seconds: float, arguments: list[str]) -> int:
    """Run the command."""
    write = LocalFolder.write
    waiting = [True]

    def watched(self: LocalFolder, text: str) -> None:
        now = (json.loads(text)["in_progress"] or {"step": END})["step"]
        if now == step == END or (now != step and not waiting[0]):
            kill()
        write(self, text)
        if now == step and waiting[0]:
            waiting[0] = False
            if not seconds:
                kill()
            timer = threading.Timer(seconds, kill)
            timer.daemon = True
            timer.start()

    LocalFolder.write = watched  # type: ignore[method-assign]
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
