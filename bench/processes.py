"""What the kernel knows of the processes of a server: memory and CPU time (proc(5))."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """All processes of one process group together, at one moment.

    ``peak`` is the sum of each process's largest resident size since its start (VmHWM), in
    bytes; ``cpu`` is in seconds.
    """

    processes: int
    peak: int
    cpu: float


def usage(group: int) -> Usage:
    """What the processes of the process group ``group`` use."""
    peaks, cpu = [], 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(") ")[2].split()
            if int(stat[2]) == group:
                peaks.append(_peak(folder))
                cpu += (int(stat[11]) + int(stat[12])) / _CLOCK_TICKS
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while it was looked at
    return Usage(len(peaks), sum(peaks), cpu)


def _peak(folder: Path) -> int:
    for line in (folder / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended and is not collected yet
