"""Runs a command, such as a file of tests, while processes of the gates in it stall.

A loaded or a virtual machine lets a process wait at any instruction, for longer than most races
need.  So do these stalls: again and again, random processes that descend from the command and run
the program ``headgate`` are stopped (SIGSTOP) for a moment, and go on (SIGCONT).

    python -m tests.support.stalls -- .venv/bin/python -m pytest tests/integration/test_retries.py

A test that fails under stalls and not without them has found a race of the gate, or a limit of its
own that says something about the machine.  One that stops processes itself may find them running.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Final, TextIO

LOOK_SECONDS: Final = 0.05
"""The pause where no gate runs."""
MOST_TOGETHER: Final = 2
"""How many processes stall at the same time at most."""
PROGRAM: Final = re.compile(r"headgate([._][\w.]+)?")
"""The names of programs and modules that a process of a gate runs."""
_RANDOM: Final = SystemRandom()
_PAUSE: Final = threading.Event()  # which nobody sets


def parents() -> dict[int, int]:
    """The parent of each process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def descendants(root: int, parent_of: dict[int, int]) -> list[int]:
    """All processes that descend from ``root``."""
    found = {root}
    while more := {pid for pid, parent in parent_of.items() if parent in found} - found:
        found |= more
    return sorted(found - {root})


def gates(root: int) -> list[int]:
    """The processes of gates among what descends from ``root``."""
    found = descendants(root, parents())
    return [pid for pid in found if is_gate(command_line(pid)) and not is_stopped(pid)]


def command_line(pid: int) -> list[str]:
    """Its command line; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return []


def is_stopped(pid: int) -> bool:
    """Whether it is stopped already, as by a test, which is not to be ended here."""
    try:
        return "\nState:\tT" in Path(f"/proc/{pid}/status").read_text("utf-8", "replace")
    except OSError:
        return False


def is_gate(command: Sequence[str]) -> bool:
    """Whether a process of this command line belongs to a gate."""
    return any(PROGRAM.fullmatch(Path(each).name) for each in command)


def stall(pids: Sequence[int], seconds: float) -> None:
    """Stop these processes for so long."""
    handles = []
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                handles.append(os.pidfd_open(pid))
        for handle in handles:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGSTOP)
        _PAUSE.wait(seconds)
    finally:
        for handle in handles:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGCONT)
            os.close(handle)


def stall_while_running(
    process: subprocess.Popen[bytes], shortest: float, longest: float, log: TextIO | None
) -> None:
    """Stall the gates among the children of ``process`` until it ends; times in seconds."""
    while process.poll() is None:
        found = gates(process.pid)
        if not found:
            _PAUSE.wait(LOOK_SECONDS)
            continue
        chosen = _RANDOM.sample(found, min(_RANDOM.randint(1, MOST_TOGETHER), len(found)))
        seconds = _RANDOM.uniform(shortest, longest)
        if log is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            print(now, f"{seconds:.3f} s", *chosen, file=log, flush=True)
        stall(chosen, seconds)
        _PAUSE.wait(_RANDOM.uniform(0, longest))


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.stalls", description=__doc__)
    parser.add_argument("--shortest", type=float, default=0.05, help="seconds of a stall")
    parser.add_argument("--longest", type=float, default=0.4, help="seconds of a stall")
    parser.add_argument("--log", type=Path, help="a file that gets a line for each stall")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(options.log.open("w")) if options.log else None
        process = stack.enter_context(subprocess.Popen(options.command))
        try:
            stall_while_running(process, options.shortest, options.longest, log)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
