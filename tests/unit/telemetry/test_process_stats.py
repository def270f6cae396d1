"""What a process uses, in its row."""

from __future__ import annotations

import os
import resource

import pytest

from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import CPU_SECONDS, MAX_FDS, OPEN_FDS, RESIDENT_MEMORY
from headgate.telemetry.process_stats import ProcessStats, family_cpu_time, own_cpu_time


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
