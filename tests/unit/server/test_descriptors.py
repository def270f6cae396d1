"""Open files: as many as the limits need, or as the system allows, and never fewer than before."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable

import pytest

from headgate.config import Limits
from headgate.server.descriptors import OTHERS, make_room

NEEDED = 300 + 2 * 200 + OTHERS


def limits_after(
    now: int, allowed: int, caplog: pytest.LogCaptureFixture
) -> tuple[int, int, list[str]]:
    """What a process whose limits were these has afterwards, and what it logged."""

    def work() -> object:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, allowed))
        make_room(Limits(connections=300, in_flight=200))
        said = [record.getMessage() for record in caplog.records]
        return *resource.getrlimit(resource.RLIMIT_NOFILE), said

    soft, hard, said = json.loads(in_a_process(work))
    return soft, hard, said


def in_a_process(work: Callable[[], object]) -> str:
    """Run ``work`` in a forked process; a limit that is lowered cannot be raised again."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


def test_a_low_limit_is_raised_as_far_as_is_needed(caplog: pytest.LogCaptureFixture) -> None:
    assert limits_after(128, 2000, caplog) == (NEEDED, 2000, [])


def test_a_higher_limit_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert limits_after(1500, 2000, caplog) == (1500, 2000, [])


def test_what_the_system_does_not_allow_is_told(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard, (said,) = limits_after(128, 500, caplog)
    assert (soft, hard) == (500, 500)
    assert said == (
        f"limits.connections (300) and limits.in_flight (200) need {NEEDED} open files, and the "
        "system allows 500: raise its limit (ulimit -n), or lower them"
    )
