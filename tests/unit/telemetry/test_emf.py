"""What was counted is written once, by one process after the other, and no clock disturbs it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import CloudWatch
from headgate.events import Event, InternalError, Log, discard
from headgate.telemetry.counters import Counters
from headgate.telemetry.emf import PERIOD, EmfLosses, EmfMemory, EmfWriter, pause
from headgate.telemetry.emf_documents import Datum, Unit, documents
from headgate.telemetry.line_sink import LineSink, NoLosses
from headgate.telemetry.metrics import (
    CONNECTIONS,
    TELEMETRY_EXPORTS,
    TELEMETRY_LOST,
)
from headgate.testing.clock import ManualClock
from tests.support.emf import Sample, checked, extracted, sums
from tests.support.outcomes import an_outcome


class Kept:
    """Takes lines, up to ``room`` of them; the rest is lost."""

    def __init__(self, room: int = 1000) -> None:
        self.lines: list[bytes] = []
        self.room = room
        self.wrote = asyncio.Event()
        self._lost = 0

    def add(self, batch: bytes, lines: int, counted: int) -> None:
        if len(self.lines) < self.room:
            self.lines.append(batch)
            self.wrote.set()
        else:
            self._lost += lines

    def flush(self) -> None:
        pass

    def drop(self) -> None:
        pass

    def take_uncounted(self) -> int:
        lost, self._lost = self._lost, 0
        return lost

    def samples(self) -> list[Sample]:
        return list(extracted(checked(each[:-1]) for each in self.lines))


class Dying(Kept):
    """The process ends before a line is written."""

    def add(self, batch: bytes, lines: int, counted: int) -> None:
        raise SystemExit


class Broken(Kept):
    """Has a defect."""

    def add(self, batch: bytes, lines: int, counted: int) -> None:
        raise ValueError


class Gate:
    """The counters of a gate with two workers, and what its writers share."""

    def __init__(self) -> None:
        self.counters = Counters(2)
        self.memory = EmfMemory(self.counters)
        self.events: list[Event] = []
        self.clock = ManualClock()
        self.wall = 1_796_000_000.0

    def writer(self, lines: Kept | LineSink) -> EmfWriter:
        """A worker that writes, or the one that takes its place."""
        return EmfWriter(
            CloudWatch(enabled=True),
            self.counters,
            self.memory,
            lines,
            self.counters.row(0),
            self.events.append,
            self.clock,
            lambda: self.wall,
        )

    def count(self, requests: int) -> None:
        for at in range(requests):
            self.counters.row(at % 2).count(an_outcome(family="runs", duration=0.004))

    def counted(self, metric: object, *labels: str) -> int:
        return self.counters.totals().value(metric, *labels)  # type: ignore[arg-type]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_each_set_has_what_is_new_in_all_workers(gate: Gate) -> None:
    kept = Kept()
    writer = gate.writer(kept)
    for requests in (7, 0, 4):
        gate.count(requests)
        kept.lines.clear()
        writer.write()
        found = sums(kept.samples())
        assert found["Requests", ("headgate",)] == requests
        assert found["Heartbeat", ("headgate",)] == 1
        durations = [each for each in kept.samples() if each.name == "RequestDuration"]
        assert sum(len(each.values) for each in durations) == requests
    assert gate.counted(TELEMETRY_EXPORTS, "emf", "ok") == 3


def test_gauges_are_as_they_are(gate: Gate) -> None:
    gate.counters.row(0).set(CONNECTIONS, 3)
    gate.counters.row(1).set(CONNECTIONS, 4)
    for _ in range(2):
        kept = Kept()
        gate.writer(kept).write()
        assert sums(kept.samples())["Connections", ("headgate",)] == 7


def test_the_last_set_has_no_gauges(gate: Gate) -> None:
    """What they say of a gate that has stopped would raise alarms."""
    gate.counters.row(0).set(CONNECTIONS, 3)
    gate.count(2)
    kept = Kept()
    gate.writer(kept).write(gauges=False)
    names = {each.name for each in kept.samples()}
    assert "Connections" not in names
    assert "EndpointsInService" not in names
    assert sums(kept.samples())["Requests", ("headgate",)] == 2


def test_a_worker_that_takes_over_counts_nothing_twice_and_is_not_late(gate: Gate) -> None:
    first, second = Kept(), Kept()
    gate.count(5)
    gate.writer(first).turn()
    due = gate.memory.due
    gate.count(3)
    gate.clock.advance(20)
    after = gate.writer(second)
    assert gate.memory.due == due  # its ``run`` waits until then, and no longer
    after.turn()
    assert sums(first.samples())["Requests", ("headgate",)] == 5
    assert sums(second.samples())["Requests", ("headgate",)] == 3


def test_a_process_that_dies_while_it_writes_leaves_nothing_to_be_counted_twice(gate: Gate) -> None:
    gate.count(5)
    with pytest.raises(SystemExit):
        gate.writer(Dying()).write()
    gate.count(1)
    kept = Kept()
    gate.writer(kept).write()
    assert sums(kept.samples())["Requests", ("headgate",)] == 1


def test_what_cannot_be_written_is_counted_and_comes_with_the_next_set(gate: Gate) -> None:
    gate.count(5)
    full = Kept(room=0)
    gate.writer(full).write()
    assert gate.counted(TELEMETRY_EXPORTS, "emf", "failed") == 1
    kept = Kept()
    gate.count(1)
    gate.writer(kept).write()
    assert sums(kept.samples())["Requests", ("headgate",)] == 6


def test_a_set_that_is_cut_short_is_not_repeated(gate: Gate) -> None:
    gate.count(5)
    some = Kept(room=1)
    gate.writer(some).write()
    kept = Kept()
    gate.writer(kept).write()
    both = sums([*some.samples(), *kept.samples()])
    assert both["Requests", ("headgate",)] == 5
    assert both["RequestDuration", ("headgate", "api")] == 0  # lost, and shown:
    assert gate.counted(TELEMETRY_EXPORTS, "emf", "failed") == 1


def test_a_reader_that_stalls_delays_nothing_and_tears_no_line(
    gate: Gate, pipe: tuple[int, int]
) -> None:
    reading, writing = pipe
    losses = EmfLosses(gate.counters.row(0))
    writer = gate.writer(LineSink(writing, Log.METRICS, losses, gate.events.append))
    read = b""
    for _ in range(12):
        gate.count(3)
        writer.write()
    lost = gate.counted(TELEMETRY_LOST, "emf", "stalled")
    assert lost
    read += os.read(reading, 65536)
    gate.count(3)
    writer.write()
    read += os.read(reading, 65536)
    found = list(extracted(checked(line) for line in read.splitlines()))
    assert sums(found)["Requests", ("headgate",)] == 39
    assert gate.events  # the log says it


def test_a_full_disk_is_counted(gate: Gate) -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        losses = EmfLosses(gate.counters.row(0))
        writer = gate.writer(LineSink(full.fileno(), Log.METRICS, losses, gate.events.append))
        gate.count(2)
        writer.write()
    assert gate.counted(TELEMETRY_LOST, "emf", "full") > 0
    kept = Kept()
    gate.writer(kept).write()
    found = sums(kept.samples())
    assert found["TelemetryLost", ("headgate",)] == found["LogLinesLost", ("headgate",)] > 0


def test_a_defect_ends_nothing(gate: Gate) -> None:
    gate.writer(Broken()).turn()
    (event,) = gate.events
    assert isinstance(event, InternalError)
    assert gate.memory.due > gate.clock()


# --- clocks --------------------------------------------------------------------------------------


@given(wall=st.floats(-1e12, 1e12))
def test_a_period_is_never_longer_than_a_minute_and_never_much_shorter(wall: float) -> None:
    assert 45.0 <= pause(wall) <= PERIOD


@given(
    start=st.floats(0, 4e9),
    jumps=st.lists(st.tuples(st.integers(0, 9), st.floats(-1e9, 1e9)), max_size=3),
)
def test_after_a_few_periods_each_minute_gets_one_set_whatever_the_clock_did(
    start: float, jumps: Sequence[tuple[int, float]]
) -> None:
    """The clock is set at these turns, by so many seconds; then ten quiet minutes follow."""
    moment, offset = 0.0, start
    steps = dict(jumps)
    stamps = []
    for turn in range(10 + 6 + 10):
        offset += steps.get(turn, 0.0)
        stamps.append(moment + offset)
        moment += pause(moment + offset)
    minutes = [int(each // 60) for each in stamps[-10:]]
    assert minutes == list(range(minutes[0], minutes[0] + 10))
    assert all(28.9 <= each % 60 <= 30.1 for each in stamps[-10:])


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 0.0, 59.0, 86_400.0])
def test_documents_are_stamped_by_the_wall_clock_and_due_by_the_other(
    gate: Gate, jump: float
) -> None:
    kept = Kept()
    writer = gate.writer(kept)
    writer.turn()
    gate.clock.advance(60)
    gate.wall += 60 + jump
    writer.turn()
    assert gate.clock() + 45 <= gate.memory.due <= gate.clock() + 60
    assert {each.stamp for each in kept.samples()} == {
        1_796_000_000_000,
        1_796_000_060_000 + int(jump * 1000),
    }


def test_it_writes_when_due_and_goes_on(gate: Gate) -> None:
    """A worker that takes over after the time has passed writes immediately."""
    gate.memory.due = gate.clock.now
    gate.clock.advance(5)
    kept = Kept()

    async def scene() -> None:
        task = asyncio.get_running_loop().create_task(gate.writer(kept).run())
        async with asyncio.timeout(10):
            await kept.wrote.wait()
        task.cancel()

    asyncio.run(scene())
    assert gate.memory.due == gate.clock() + pause(gate.wall)


def test_the_first_set_is_due_within_a_minute_of_the_start(gate: Gate) -> None:
    kept = Kept()

    async def scene() -> None:
        task = asyncio.get_running_loop().create_task(gate.writer(kept).run())
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(scene())
    assert not kept.lines
    assert gate.clock() + 45 <= gate.memory.due <= gate.clock() + 60


# --- beside other writers ------------------------------------------------------------------------


def test_lines_of_several_processes_never_mingle(gate: Gate) -> None:
    """In one pipe, as in a container: documents of full length, and lines of other workers."""
    reading, writing = os.pipe()
    values = [0.123456 + at for at in range(350)]
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.close(reading)
                data = [Datum(f"M{child}", Unit.SECONDS, {"Service": "s" * 200}, values)]
                lines = list(documents("N", data, 1.8e9))
                other = json.dumps({"event": "request", "path": "x" * 700}).encode() + b"\n"
                sink = LineSink(writing, Log.METRICS, NoLosses(), discard)
                for _ in range(60):
                    for line in [*lines, other * 5]:
                        sink.add(line, 1, 0)
                        sink.flush()
                code = int(sink.close() != 0)
            finally:
                os._exit(code)
        children.append(pid)
    os.close(writing)
    with os.fdopen(reading, "rb") as read:
        found = [json.loads(line)["event"] for line in read]
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert found.count("request") == 3 * 60 * 5
    assert found.count("metrics") == 3 * 60 * 4
