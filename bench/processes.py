"""What the kernel knows of the processes of a server: memory and CPU time (proc(5))."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Usage:
    """All processes of one session together, at one moment.

    ``peak`` is the sum of each process's largest resident size since its start (VmHWM), and
    ``resident`` of each one's size now (VmRSS), in bytes: pages that processes share count for
    each of them.  ``cpu`` is in seconds since the start, with nanoseconds, and includes threads
    and children that have ended; ``kernel`` is that part of it that system calls took, in
    hundredths of a second.
    """

    processes: int
    peak: int
    resident: int
    cpu: float
    kernel: float


def usage(session: int) -> Usage:
    """What the processes of the session ``session`` use."""
    peak = resident = processes = 0
    cpu = kernel = 0.0
    for folder, stat in _members(session):
        try:
            sizes = _sizes(folder)
            cpu += _cpu(int(folder.name), stat)
        except _GONE:
            continue  # it ended while it was looked at; its parent has its CPU time
        processes += 1
        kernel += (int(stat[12]) + int(stat[14])) / _CLOCK_TICKS
        peak += sizes.get("VmHWM", 0)
        resident += sizes.get("VmRSS", 0)
    return Usage(processes, peak, resident, cpu, kernel)


def cpu_by_process(session: int) -> dict[int, float]:
    """Seconds of CPU time of each process of ``session``, by process id."""
    found = {}
    for folder, stat in _members(session):
        try:
            found[int(folder.name)] = _cpu(int(folder.name), stat)
        except _GONE:
            continue
    return found


def _members(session: int) -> Iterator[tuple[Path, list[str]]]:
    """Each process of ``session``: its folder, and the fields of its stat from the third on."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(") ")[2].split()
        except _GONE:
            continue
        if int(stat[3]) == session:
            yield folder, stat


def _cpu(process: int, stat: list[str]) -> float:
    """The process's own CPU clock, and what the kernel has added up of its children."""
    try:
        # What clock_getcpuclockid(3) gives for another process: ~pid, and CPUCLOCK_SCHED.
        own = time.clock_gettime((~process << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(process) from error
    return own + (int(stat[13]) + int(stat[14])) / _CLOCK_TICKS


def _sizes(folder: Path) -> dict[str, int]:
    """The sizes in a process's status, in bytes; none for one that has ended."""
    lines = (folder / "status").read_text().splitlines()
    return {
        name: int(value.split()[0]) * 1024
        for name, _, value in (line.partition(":") for line in lines)
        if value.endswith(" kB")
    }
