"""Wires what writes metrics for CloudWatch."""

from __future__ import annotations

import contextlib

from headgate.config import CloudWatch, Config
from headgate.events import Emit, Log
from headgate.telemetry.counters import CounterRow, Counters
from headgate.telemetry.emf import EmfLosses, EmfMemory, EmfWriter
from headgate.telemetry.line_sink import LineSink


def emf_memory(config: Config, counters: Counters) -> EmfMemory | None:
    """What the processes that write share, made before they are forked; ``None``: none writes."""
    return EmfMemory(counters) if config.telemetry.cloudwatch.enabled else None


def emf_writer(
    settings: CloudWatch,
    counters: Counters,
    memory: EmfMemory,
    fd: int,
    row: CounterRow,
    stack: contextlib.ExitStack,
    emit: Emit,
) -> EmfWriter:
    """What one process writes metrics with, until ``stack`` ends."""
    lines = LineSink(fd, Log.METRICS, EmfLosses(row), emit)
    stack.callback(lines.close)
    return EmfWriter(settings, counters, memory, lines, row, emit)


def write_last(
    settings: CloudWatch, counters: Counters, memory: EmfMemory, fd: int, emit: Emit
) -> None:
    """Write what was counted since the last set, once all workers have ended."""
    with contextlib.ExitStack() as stack:
        row = counters.supervisor_row()
        emf_writer(settings, counters, memory, fd, row, stack, emit).finish()
