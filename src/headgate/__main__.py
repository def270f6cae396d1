"""The ``headgate`` command, and ``python -m headgate``."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

HEALTH_CHECK: Final = ["health"]
"""The command that containers run every few seconds."""


def main() -> int:
    """Run the command that the arguments of the process name; the exit code."""
    if sys.argv[1:] == HEALTH_CHECK:
        return _health()
    from headgate.cli import main as command_line  # noqa: PLC0415 - takes 0.1 s

    return command_line()


def _health() -> int:
    """``headgate health`` without options, without what the other commands need."""
    from headgate.diagnosis.own_health import examine  # noqa: PLC0415

    named = os.environ.get("HEADGATE_CONFIG")
    found = examine(Path(named) if named else None, os.environ)
    stream, line = (sys.stdout, "") if found.ok else (sys.stderr, "headgate: ")
    if stream is not None:  # it may be closed
        with contextlib.suppress(OSError):
            print(f"{line}{found.seen}", file=stream, flush=True)
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main())
