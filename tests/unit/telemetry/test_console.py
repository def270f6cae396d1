"""Lines for a person: the same facts, nothing that a client could do to a terminal."""

from __future__ import annotations

import contextlib
import json
import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.auth.keys.form import mint
from headgate.model import AttemptFailure, FailedAttempt, Outcome
from headgate.reasons import Reason
from headgate.telemetry import event_log
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.console import Console, is_coloured
from tests.support.outcomes import an_outcome

KEY = mint(bytes(range(32)))
NOON = 1767268800.25


def shown(outcome: Outcome, *, colours: bool = False) -> str:
    reader, writer = os.pipe()
    try:
        log = AccessLog(writer, lambda: NOON, console=Console(colours=colours))
        log.write(outcome)
        log.close()
        return os.read(reader, 65536).decode("ascii")
    finally:
        os.close(reader)
        os.close(writer)


def test_the_line_of_a_request() -> None:
    assert shown(an_outcome()) == (
        "12:00:00.250Z 200 GET    /version 12.5ms ci 192.0.2.1 -> default/127.0.0.1:5000 10.0ms "
        "0123456789abcdef00000001\n"
    )


def test_the_line_of_a_failure_says_what_the_client_and_the_operator_need() -> None:
    line = shown(
        an_outcome(
            reason=Reason.NO_ENDPOINT,
            status=503,
            message="No MLflow server is there.",
            detail="10.0.0.7:5000: refused",
            retries=(
                FailedAttempt("10.0.0.7:5000", AttemptFailure.CONNECT_FAILED, "refused", 0.0, 0.1),
            ),
        )
    )
    assert "503" in line
    assert "after connect_failed at 10.0.0.7:5000" in line
    assert "no_endpoint (upstream): No MLflow server is there. 10.0.0.7:5000: refused" in line


def test_colours_are_only_added() -> None:
    plain, coloured = shown(an_outcome()), shown(an_outcome(), colours=True)
    assert "\x1b[32m200\x1b[0m" in coloured
    bare = coloured
    for code in ("\x1b[0m", "\x1b[2m", "\x1b[32m"):
        bare = bare.replace(code, "")
    assert bare == plain


@given(
    target=st.binary(max_size=300),
    agent=st.binary(max_size=300),
    name=st.text(max_size=60),
    detail=st.text(max_size=300),
)
def test_no_text_can_forge_a_line_or_reach_the_terminal(
    target: bytes, agent: bytes, name: str, detail: str
) -> None:
    line = shown(
        an_outcome(
            target=target,
            user_agent=agent,
            principal=name,
            reason=Reason.FORBIDDEN,
            message=detail,
            detail=detail,
        )
    )
    assert line.endswith("\n")
    assert all(" " <= each <= "~" for each in line[:-1])


def test_no_key_is_shown() -> None:
    line = shown(an_outcome(target=f"/{KEY}".encode(), reason=Reason.FORBIDDEN, detail=KEY))
    assert KEY not in line
    assert line.count("hg_***") == 2


def test_an_event_and_its_exception() -> None:
    try:
        raise RuntimeError("first\nsecond\x1b[31m")
    except RuntimeError as error:
        record = logging.LogRecord(
            "headgate.runtime", logging.ERROR, "f", 1, "it %s", ("fails",), None
        )
        record.exc_info = (type(error), error, error.__traceback__)
    lines = event_log.ConsoleFormatter(Console(colours=False)).format(record).split("\n")
    assert lines[0].split(" ", 1)[1].startswith("error   runtime: it fails")
    assert all(line.startswith("    ") for line in lines[1:])
    assert lines[-2:] == ["    RuntimeError: first", "    second\\u001b[31m"]


def test_what_the_console_is_made_of_is_json() -> None:
    line = json.dumps(
        {
            "time": "2026-01-01T12:00:00.250Z",
            "event": "started",
            "level": "info",
            "logger": "headgate",
            "message": "it runs",
            "pid": 7,
            "port": 8080,
            "host": "\u202e",
        }
    )
    assert Console(colours=False).line(line) == (
        "12:00:00.250Z info    headgate: it runs pid=7 port=8080 host=\\u202e\n"
    )


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_only_a_terminal_gets_colours_unless_the_environment_forbids(
    environment: dict[str, str], coloured: bool
) -> None:
    main, terminal = os.openpty()
    reader, writer = os.pipe()
    try:
        assert is_coloured(terminal, environment) is coloured
        assert not is_coloured(writer, environment)
    finally:
        for fd in (main, terminal, reader, writer):
            with contextlib.suppress(OSError):
                os.close(fd)
