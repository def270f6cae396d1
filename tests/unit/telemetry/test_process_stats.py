"""What a process uses, in its row."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import CPU_SECONDS, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY
from headgate.telemetry.process_stats import (
    LIST_SECONDS,
    ProcessStats,
    family_cpu_time,
    own_cpu_time,
)
from headgate.testing.clock import ManualClock


def test_cpu_time_never_goes_down_when_a_worker_is_replaced() -> None:
    counters = Counters(1)
    used = [1.5, 2.0, 0.25, 0.5]  # the third one is that of a new process
    first = ProcessStats(counters.row(0), cpu_time=lambda: used.pop(0))
    first.update()
    first.update()
    assert counters.row(0).value(CPU_SECONDS) == pytest.approx(2.0)
    counters.row(0).unset_gauges()
    second = ProcessStats(counters.row(0), cpu_time=lambda: used.pop(0))
    second.update()
    assert counters.row(0).value(CPU_SECONDS) == pytest.approx(2.25)
    second.update()
    assert counters.row(0).value(CPU_SECONDS) == pytest.approx(2.5)


def test_what_this_process_has() -> None:
    counters = Counters(1)
    row = counters.row(0)
    stats = ProcessStats(row)
    stats.update()
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    before = row.value(OPEN_FDS)
    try:
        stats.update()
    finally:
        for each in held:
            os.close(each)
    assert row.value(OPEN_FDS) == before + 5
    assert row.value(MAX_FDS) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert 10 * 2**20 < row.value(RESIDENT_MEMORY) < 2**35
    assert 0 < row.value(CPU_SECONDS) <= own_cpu_time() <= family_cpu_time()


def test_what_a_process_that_has_ended_had_is_gone() -> None:
    counters = Counters(1)
    row = counters.row(0)
    ProcessStats(row).update()
    row.unset_gauges()
    assert row.value(OPEN_FDS) == row.value(RESIDENT_MEMORY) == 0
    assert list(counters.totals().series(MAX_FDS)) == []


def test_where_the_kernel_does_not_say_how_many_files_there_are_they_are_counted_rarely() -> None:
    row, clock = Counters(1).row(0), ManualClock()
    folder = Path("/proc/self/net")  # has no size either
    assert not folder.stat().st_size
    stats = ProcessStats(row, clock, open_files=folder)
    stats.update()
    count = row.value(OPEN_FDS)
    assert count == len(list(folder.iterdir())) - 1
    row.unset_gauges()
    clock.advance(LIST_SECONDS - 1)
    stats.update()
    assert row.value(OPEN_FDS) == 0
    clock.advance(1)
    stats.update()
    assert row.value(OPEN_FDS) == count


def test_a_system_without_proc_shows_the_rest(tmp_path: Path) -> None:
    row = Counters(1).row(0)
    ProcessStats(row, open_files=tmp_path / "none").update()
    assert row.value(OPEN_FDS) == 0
    assert row.value(CPU_SECONDS) > 0
