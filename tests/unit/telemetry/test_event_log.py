"""The event log: one JSON object a line on standard error, whatever is logged."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import logging
import os
import select
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth.keys.form import mint
from headgate.telemetry import event_log

KEY = mint(bytes(32))


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """The process's logging is put back as pytest had it."""
    root, own = logging.getLogger(), logging.getLogger("headgate")
    handlers, level, own_level = root.handlers[:], root.level, own.level
    root.handlers.clear()  # `configure` closes those it finds
    yield
    root.handlers[:] = handlers
    logging.captureWarnings(False)
    root.setLevel(level)
    own.setLevel(own_level)


@pytest.fixture
def stream(logging_restored: None) -> io.StringIO:
    """Where the events go."""
    found = io.StringIO()
    event_log.configure(found)
    return found


def formatted(record: logging.LogRecord) -> dict[str, Any]:
    text = event_log.JsonFormatter().format(record)
    assert text.isascii()
    assert "\n" not in text
    line = json.loads(text)
    assert isinstance(line, dict)
    return line


def record_of(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("headgate.runtime", logging.WARNING, "f", 1, message, arguments, None)


def test_the_line_of_an_event() -> None:
    record = record_of("%d requests were cut off", 3)
    record.created, record.msecs = 1767268800.25, 250.0
    assert formatted(record) == {
        "time": "2026-01-01T12:00:00.250Z",
        "event": "log",
        "level": "warning",
        "logger": "headgate.runtime",
        "message": "3 requests were cut off",
        "pid": os.getpid(),
    }


@given(text=st.text())
def test_no_text_can_forge_a_line(text: str) -> None:
    assert formatted(record_of("from a client: %s", text))["message"] == f"from a client: {text}"


def test_an_exception_is_one_field_of_its_event(stream: io.StringIO) -> None:
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        logging.getLogger("headgate.dataplane").exception("defect while handling %s", "id")
    (text,) = stream.getvalue().splitlines()
    line = json.loads(text)
    assert (line["level"], line["message"]) == ("error", "defect while handling id")
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("RuntimeError: first\nsecond")


def test_no_key_is_in_it(stream: io.StringIO) -> None:
    try:
        raise ValueError(KEY)
    except ValueError:
        logging.getLogger("headgate").exception("refused %s", KEY)
    assert KEY not in stream.getvalue()
    assert json.loads(stream.getvalue())["message"] == "refused hg_***"


@pytest.mark.parametrize(
    ("logger", "level", "is_shown"),
    [
        ("headgate.runtime", logging.INFO, True),
        ("headgate.runtime", logging.DEBUG, False),
        ("uvicorn.error", logging.INFO, False),
        ("asyncio", logging.WARNING, True),
    ],
)
def test_own_events_are_shown_from_info_on_and_those_of_libraries_from_warning(
    logger: str, level: int, is_shown: bool, stream: io.StringIO
) -> None:
    logging.getLogger(logger).log(level, "said")
    assert bool(stream.getvalue()) is is_shown


class Reader:
    """A pipe with little room, and the stream that is written to it."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.stream = open(writer, "w", encoding="ascii")  # noqa: SIM115 - closed below

    def read(self) -> list[dict[str, Any]]:
        """What there is; lines that are no JSON object count as none."""
        found = b""
        while select.select([self._reader], [], [], 0)[0]:
            found += os.read(self._reader, 65536)
        lines = []
        for line in found.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    def leave(self) -> None:
        os.close(self._reader)
        self._reader = -1

    def close(self) -> None:
        self.stream.close()
        if self._reader >= 0:
            self.leave()


@pytest.fixture
def reader(logging_restored: None) -> Iterator[Reader]:
    """Reads the events when the test says so."""
    made = Reader()
    event_log.configure(made.stream)
    yield made
    for handler in logging.getLogger().handlers:
        handler.close()
    made.close()


@pytest.mark.parametrize("size", [10, 3000, 30_000])
def test_a_reader_that_stalls_stalls_no_one_else_and_reads_what_it_missed(
    size: int, reader: Reader
) -> None:
    """Events that are longer than the pipe, too."""
    log = logging.getLogger("headgate")
    for number in range(200):
        log.info("%d %s", number, "x" * size)
    seen = reader.read()
    log.info("last")
    (last,) = reader.read()
    assert last["message"] == "last"
    assert len(seen) + last["events_lost"] == 200
    assert last["events_lost"] > 0
    log.info("and on")
    (after,) = reader.read()
    assert "events_lost" not in after


def test_a_reader_that_has_left_harms_nobody(reader: Reader) -> None:
    reader.leave()
    logging.getLogger("headgate").info("said")


def test_a_second_configuration_replaces_the_first(stream: io.StringIO) -> None:
    other = io.StringIO()
    event_log.configure(other)
    logging.getLogger("headgate").info("said")
    assert stream.getvalue() == ""
    assert other.getvalue().count("\n") == 1
