"""CPU time of tests: what a test costs, however busy the machine is.

It counts the process of the tests and every server that they have started, ended or not.  pytest's
JUnit file keeps it as a property of each test, beside the time on the clock; ``tools.durations``
reads both.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path
from typing import Final

import pytest

PROPERTY: Final = "cpu"
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


class CpuTimes:
    """A plugin that notes the CPU seconds of each test.

    What a fixture of a module or of the session takes counts for the test that makes it needed.
    """

    def __init__(self) -> None:
        self._before = 0.0

    def pytest_runtest_logstart(self) -> None:
        """Begin, before the fixtures are set up."""
        self._before = cpu_seconds()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Note the time with the last report on a test, when its fixtures are gone."""
        if call.when == "teardown":
            used = max(cpu_seconds() - self._before, 0.0)  # the time of orphans is lost
            item.user_properties.append((PROPERTY, f"{used:.3f}"))


def cpu_seconds() -> float:
    """The seconds that this process has computed, and all that it has started.

    Where the system has no ``/proc``, a process that was started counts once it has ended.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + _of_children(os.getpid())


def _of_children(parent: int) -> float:
    total = 0.0
    for child in _children(parent):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = (_PROC / f"{child}/stat").read_bytes().rpartition(b")")[2].split()
            ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: see proc(5)
            total += ticks / _TICKS + _of_children(child)
    return total


def _children(parent: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in (_PROC / f"{parent}/task").iterdir():
            found += map(int, (thread / "children").read_bytes().split())
    return found
