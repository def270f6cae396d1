"""The worker processes of a gate, as the kernel sees them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.processes import ServerProcess

SECONDS = 20.0


def worker_pids(process: ServerProcess) -> list[int]:
    """The children of a gate's supervisor, in the order they were started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def serving_pid(process: ServerProcess) -> int:
    """The first of a gate's workers."""
    return worker_pids(process)[0]


def is_alive(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has waited for yet has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def kill_worker(process: ServerProcess, pid: int, number: signal.Signals) -> int:
    """End a worker by a signal, and wait until another has taken its place; its process id."""
    others = set(worker_pids(process)) - {pid}
    count = len(others) + 1
    os.kill(pid, number)

    def successor() -> int | None:
        found = set(worker_pids(process)) - others - {pid}
        return found.pop() if found and len(others) + 1 == count else None

    return process.wait_until(successor, "a worker in the place of another", SECONDS)
