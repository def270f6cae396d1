"""What one process of the gate uses: CPU time, memory, open files."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import CPU_SECONDS, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY

LIST_SECONDS: Final = 10.0
"""How often open files are counted one by one, where the kernel does not say how many there are."""
_OPEN_FILES: Final = Path("/proc/self/fd")
_MEMORY: Final = Path("/proc/self/statm")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ProcessStats:
    """Counts what this process uses, in its row.

    CPU time is added as it is used, so that what the processes before it in this row have used
    stays: the sum never goes down when a worker is replaced.

    Args:
        row: where this process counts.
        clock: seconds from an arbitrary start.
        cpu_time: seconds of CPU time that this process has used, those of helper processes that
            have ended included.
        open_files: a folder with an entry for each open file.
    """

    def __init__(
        self,
        row: CounterRow,
        clock: Callable[[], float] = time.monotonic,
        cpu_time: Callable[[], float] | None = None,
        open_files: Path = _OPEN_FILES,
    ) -> None:
        self._row = row
        self._clock = clock
        self._cpu_time = own_cpu_time if cpu_time is None else cpu_time
        self._open_files = open_files
        self._counted = 0  # microseconds of CPU time
        self._listed = -LIST_SECONDS

    def update(self) -> None:
        """Count what was used since the last call; called about twice a second."""
        used = int(self._cpu_time() / CPU_SECONDS.scale)
        if used > self._counted:
            self._row.add(CPU_SECONDS, amount=used - self._counted)
            self._counted = used
        self._row.set(MAX_FDS, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        try:
            self._row.set(RESIDENT_MEMORY, int(_MEMORY.read_bytes().split()[1]) * _PAGE)
            self._count_files()
        except OSError:  # this system has no /proc, or no file can be opened
            pass

    def _count_files(self) -> None:
        count = self._open_files.stat().st_size  # since Linux 6.2
        if count:
            self._row.set(OPEN_FDS, count)
        elif self._clock() - self._listed >= LIST_SECONDS:  # takes long where there are many
            self._listed = self._clock()
            self._row.set(
                OPEN_FDS, len(os.listdir(self._open_files)) - 1
            )  # without that of the listing


def own_cpu_time() -> float:
    """Seconds of CPU time of this process alone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def family_cpu_time() -> float:
    """The same, with that of its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own_cpu_time() + used.ru_utime + used.ru_stime
