"""Open files: as many as the limits need, or as the system allows, and never fewer than before."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from collections.abc import Callable

from headgate.config import Limits
from headgate.events import DescriptorsAvailable, DescriptorsExhausted, Event
from headgate.runtime.descriptors import OTHERS, Scarcity, raise_limit
from headgate.testing.clock import ManualClock

NEEDED = 300 + 2 * 200 + OTHERS


def limits_after(now: int, allowed: int) -> tuple[int, int, list[str]]:
    """What a process whose limits were these has afterwards, and its events."""

    def work() -> object:
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, allowed))
        events: list[Event] = []
        raise_limit(Limits(connections=300, in_flight=200), events.append)
        said = [event.message() for event in events]
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
    with os.fdopen(reader) as response:
        text = response.read()
    os.waitpid(pid, 0)
    return text


def test_a_low_limit_is_raised_to_what_is_needed() -> None:
    assert limits_after(128, 2000) == (NEEDED, 2000, [])


def test_a_higher_limit_is_left_alone() -> None:
    assert limits_after(1500, 2000) == (1500, 2000, [])


def test_what_the_system_does_not_allow_is_an_event() -> None:
    soft, hard, (said,) = limits_after(128, 500)
    assert (soft, hard) == (500, 500)
    assert said == (
        f"limits.connections (300) and limits.in_flight (200) need {NEEDED} open files, and the "
        "system allows 500: raise its limit (ulimit -n), or lower them"
    )


class Files:
    """As many open files as this process may have, until they are given back."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def exhaust(self) -> None:
        top = max(map(int, os.listdir("/proc/self/fd"))) + 30
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, self._before[1]))
        with contextlib.suppress(OSError):
            while True:
                self._open.append(os.open(os.devnull, os.O_RDONLY))

    def give_back(self, count: int) -> None:
        for _ in range(min(count, len(self._open))):
            os.close(self._open.pop())

    def close(self) -> None:
        self.give_back(len(self._open))
        resource.setrlimit(resource.RLIMIT_NOFILE, self._before)


def test_a_shortage_is_one_event_and_its_end_another() -> None:
    clock = ManualClock()
    events: list[Event] = []
    scarcity = Scarcity(events.append, clock)
    found = []
    with contextlib.closing(Files()) as files:
        scarcity.look()
        files.exhaust()
        for _ in range(5):
            scarcity.look()
        files.give_back(1)  # one that comes and goes is not the end of it
        scarcity.look()
        files.exhaust()
        scarcity.look()
        files.give_back(20)
        scarcity.look()
        found = events[:]
        files.exhaust()
        scarcity.look()
        assert len(events) == 2  # too soon for another
        clock.advance(60)
        scarcity.look()
        assert len(events) == 3
    assert [type(event) for event in found] == [DescriptorsExhausted, DescriptorsAvailable]
    assert "out of file descriptors" in found[0].message()
