"""Files that are opened again and levels that are set, in every process."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.events import (
    Event,
    Level,
    LogFileRemoved,
    LogLevelEnded,
    LogNotReopened,
    LogsReopened,
)
from headgate.telemetry.log_control import MODULES, LogControl
from headgate.telemetry.log_file import LogFile
from headgate.telemetry.process_logs import ProcessLogs


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LogFile]:
    found = LogFile(tmp_path / "access.log")
    yield found
    os.close(found.fd)


@pytest.fixture(autouse=True)
def _usual_levels() -> Iterator[None]:
    yield
    for module in MODULES:
        logging.getLogger(f"headgate.{module}").setLevel(logging.NOTSET)


def write(file: LogFile, text: str) -> None:
    os.write(file.fd, text.encode())


def test_a_file_is_appended_to_and_created_for_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    before = os.umask(0o022)
    try:
        for text in ("one\n", "two\n"):
            found = LogFile(path)
            write(found, text)
            os.close(found.fd)
    finally:
        os.umask(before)
    assert path.read_text() == "one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_appended_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadgateError, match=f"cannot write the log to {tmp_path}"):
        LogFile(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with (
        contextlib.closing(os.fdopen(reader)),
        pytest.raises(HeadgateError, match="no regular file"),
    ):
        LogFile(tmp_path / "pipe")


def test_a_renamed_file_is_left_when_it_is_asked_for_in_each_process(file: LogFile) -> None:
    control, events = LogControl(), list[Event]()
    supervisor = ProcessLogs(control, [file], events.append, tells=True)
    other = LogFile(file.path)
    worker = ProcessLogs(control, [other], events.append)
    write(file, "before\n")
    rotated = file.path.rename(file.path.with_suffix(".1"))
    worker.look()
    write(other, "still before\n")
    supervisor.reopen_all()
    worker.look()
    write(file, "after\n")
    write(other, "after too\n")
    os.close(other.fd)
    assert rotated.read_text() == "before\nstill before\n"
    assert file.path.read_text() == "after\nafter too\n"
    assert events == [LogsReopened((str(file.path),))]


def test_a_file_that_cannot_be_opened_again_stays_in_use(file: LogFile) -> None:
    events = list[Event]()
    logs = ProcessLogs(LogControl(), [file], events.append, tells=True)
    rotated = file.path.rename(file.path.with_suffix(".1"))
    file.path.mkdir()
    logs.reopen_all()
    write(file, "kept\n")
    assert rotated.read_text() == "kept\n"
    assert events == [LogNotReopened(str(file.path), "Is a directory")]
    file.path.rmdir()
    logs.reopen_all()
    write(file, "again\n")
    assert file.path.read_text() == "again\n"


def test_a_removed_file_is_created_anew_by_itself(file: LogFile) -> None:
    events = list[Event]()
    logs = ProcessLogs(LogControl(), [file], events.append, tells=True)
    file.path.unlink()
    logs.look()
    write(file, "seen\n")
    assert file.path.read_text() == "seen\n"
    assert events == [LogFileRemoved(str(file.path))]


def test_a_removed_file_that_cannot_be_created_is_reported_once(file: LogFile) -> None:
    events = list[Event]()
    logs = ProcessLogs(LogControl(), [file], events.append, tells=True)
    file.path.unlink()
    file.path.mkdir()
    for _ in range(3):
        logs.look()
    assert events == [LogNotReopened(str(file.path), "Is a directory")]


def test_a_level_holds_in_every_process_until_its_time_is_over() -> None:
    clock, events, debug = Clock(), list[Event](), list[Collection[str]]()
    control = LogControl(clock)
    one = ProcessLogs(control, [], events.append, tells=True)
    other = ProcessLogs(control, [], events.append, on_debug=debug.append)
    control.set("auth", Level.DEBUG, 60)
    control.set("cluster", Level.ERROR, 600)
    one.look()
    other.look()
    assert logging.getLogger("headgate.auth").level == logging.DEBUG
    assert logging.getLogger("headgate.cluster").level == logging.ERROR
    late = ProcessLogs(control, [], events.append, on_debug=debug.append)
    late.look()
    clock.now += 61
    for each in (one, other, late):
        each.look()
    assert logging.getLogger("headgate.auth").level == logging.NOTSET
    assert logging.getLogger("headgate.cluster").level == logging.ERROR
    assert debug == [{"auth"}, {"auth"}, set(), set()]
    assert events == [LogLevelEnded("auth")]


def test_a_reset_is_not_an_end_of_its_time() -> None:
    events = list[Event]()
    control = LogControl()
    logs = ProcessLogs(control, [], events.append, tells=True)
    control.set("auth", Level.DEBUG, 60)
    logs.look()
    control.reset("auth")
    logs.look()
    assert logging.getLogger("headgate.auth").level == logging.NOTSET
    assert events == []


def test_there_is_no_level_of_what_does_not_exist() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        LogControl().set("mlflow", Level.DEBUG, 60)
