"""The command line of a gate whose workers can be made to stand still from outside.

    python -m headgate.testing.planted serve ...

Nothing of the gate is replaced: each worker process gets signal handlers of its own, which block
as a defect in the gate, in a library or in a file system would.
"""

from __future__ import annotations

import enum
import os
import re
import select
import signal
import sys
from types import FrameType

from headgate.cli import main


class Defect(enum.Enum):
    """What makes a worker stand still, and the signal for it."""

    LOOP = signal.SIGRTMIN
    """Python code that never ends: other threads still get their turn."""
    INTERPRETER = signal.SIGRTMIN + 1
    """Code in C that never ends and holds the interpreter's lock: no Python code can run."""
    WAIT = signal.SIGRTMIN + 2
    """A system call that never returns."""


def _stand_still(number: int, _frame: FrameType | None) -> None:
    defect = Defect(number)
    if defect is Defect.INTERPRETER:
        re.match(r"(a|aa|aaa)+$", "a" * 200 + "b")
    elif defect is Defect.WAIT:
        reader, _writer = os.pipe()
        while True:
            select.select([reader], [], [])
    while True:
        pass


def _plant() -> None:
    for defect in Defect:
        signal.signal(defect.value, _stand_still)


if __name__ == "__main__":
    os.register_at_fork(after_in_child=_plant)
    sys.exit(main())
