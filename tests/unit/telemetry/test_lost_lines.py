"""Lines that are lost are counted when they are lost, and none ever joins another."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headgate.events import Event, Log, LogLinesLost, LossCause
from headgate.telemetry import event_log
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.counters import Counters
from headgate.telemetry.event_log import EventHandler
from headgate.telemetry.line_sink import LineSink
from headgate.testing.clock import ManualClock
from tests.support.counts import lost_lines
from tests.support.outcomes import OUTCOME


@contextlib.contextmanager
def file_size(most: int) -> Iterator[None]:
    """Let no file grow beyond ``most`` bytes: writes fail there as on a full disk, also halfway."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def whole(file: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines that are whole, and how many are not."""
    found, torn = [], 0
    for line in file.read_bytes().split(b"\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            torn += bool(line)
    return found, torn


@pytest.fixture
def counters() -> Counters:
    return Counters(2)


def lost(counters: Counters) -> dict[tuple[str, ...], int]:
    return {key: count for key, count in lost_lines(counters).items() if count}


def test_a_full_disk_is_an_event_with_its_cause(counters: Counters) -> None:
    events: list[Event] = []
    with open("/dev/full", "wb", buffering=0) as full:
        log = AccessLog(full.fileno(), losses=counters.row(0), emit=events.append)
        for _ in range(3):
            log.write(OUTCOME)
        assert lost(counters) == {}
        log.flush()
        assert lost(counters) == {("access", "full"): 3}
        for _ in range(5):
            log.write(OUTCOME)
            log.flush()
        assert lost(counters) == {("access", "full"): 8}
        assert log.close() == 8
    (event,) = events  # the next one comes a minute later
    assert event == LogLinesLost(Log.ACCESS, LossCause.FULL, 3, "No space left on device")
    assert event.message() == (
        "3 lines of the access log are lost: the disk is full (No space left on device)"
    )


def test_losses_that_go_on_are_an_event_a_minute(counters: Counters) -> None:
    clock = ManualClock()
    events: list[Event] = []
    with open("/dev/full", "wb", buffering=0) as full:
        sink = LineSink(full.fileno(), Log.ACCESS, counters.row(0), events.append, clock)
        for _ in range(121):
            sink.add(b"{}\n", 1, 0)
            sink.flush()
            clock.advance(1)
    assert [event.fields()["lines"] for event in events] == [1, 60, 60]


def test_the_causes_are_told_apart(counters: Counters) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    gone = AccessLog(writer, losses=counters.row(1))
    gone.write(OUTCOME)
    gone.flush()
    assert lost(counters) == {("access", "gone"): 1}
    os.close(writer)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    room=st.lists(st.integers(0, 3000), min_size=1, max_size=6),
    writes=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), min_size=1, max_size=12),
)
def test_no_line_joins_another_on_a_disk_that_is_full_now_and_then(
    room: list[int], writes: list[tuple[int, int]], tmp_path: Path
) -> None:
    """Two workers write one file; each line is whole, or counted as lost."""
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    counters = Counters(2)
    files = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2)]
    logs = [AccessLog(each, losses=counters.row(at)) for at, each in enumerate(files)]
    count = 0
    for at, (which, lines) in enumerate(writes):
        for _ in range(lines):
            logs[which].write(OUTCOME)
        count += lines
        with file_size(path.stat().st_size + room[at % len(room)]):
            logs[which].flush()
    for log, file in zip(logs, files, strict=True):
        log.write(OUTCOME)
        log.close()
        os.close(file)
    found, torn = whole(path)
    assert len(found) + sum(lost_lines(counters).values()) == count + 2
    assert torn <= sum(lost_lines(counters).values())
    assert b"\n\n" not in path.read_bytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(room=st.lists(st.integers(0, 400), min_size=1, max_size=20))
@example(room=[117])
@example(room=[118])
@example(room=[119])
def test_no_event_joins_another_on_a_full_disk(room: list[int], tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.unlink(missing_ok=True)
    counters = Counters(1)
    with path.open("a") as stream:
        handler = EventHandler(stream)
        handler.losses = counters.row(0)
        for number, free in enumerate(room):
            with file_size(path.stat().st_size + free):
                handler.emit(logging.LogRecord("x", logging.INFO, "f", number, "said", (), None))
        handler.emit(logging.LogRecord("x", logging.INFO, "f", 1, "last", (), None))
        handler.close()
    found, _ = whole(path)
    assert len(found) + sum(lost_lines(counters).values()) == len(room) + 1
    assert found[-1]["message"] == "last"


def test_what_is_written_past_the_log_goes_elsewhere(tmp_path: Path) -> None:
    """Only where there is an event log: otherwise standard error is all that there is."""
    reader, writer = os.pipe()
    kept = os.dup(2)
    root = logging.getLogger()
    handlers = root.handlers[:]
    root.handlers.clear()
    try:
        event_log.divert(writer)
        os.write(2, b"")
        with (tmp_path / "err").open("w") as stream:
            event_log.configure(stream)
            event_log.divert(writer)
            os.write(2, b"raw")
            logging.getLogger("headgate").error("an event")
        assert os.read(reader, 100) == b"raw"
        assert json.loads((tmp_path / "err").read_text())["message"] == "an event"
    finally:
        os.dup2(kept, 2)
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        logging.captureWarnings(False)
        for each in (reader, writer, kept):
            os.close(each)


def test_an_event_for_a_stream_that_is_closed_is_counted(counters: Counters) -> None:
    stream = io.StringIO()
    handler = EventHandler(stream)
    handler.losses = counters.row(0)
    stream.close()
    handler.emit(logging.LogRecord("x", logging.INFO, "f", 1, "said", (), None))
    assert lost(counters) == {("events", "gone"): 1}
