"""The locks on the memory of creates: who lives, and who keeps whom waiting."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headgate.creates import OWNERS, BusyError, CreateTable, Standing
from headgate.runtime.creates_memory import NAME, CreatesMemory, KernelLock
from headgate.runtime.lasting_memory import LastingMemory

D = b"d" * 32


@pytest.fixture
def lasting() -> Iterator[LastingMemory]:
    memory = LastingMemory()
    yield memory
    memory.close()


@contextmanager
def process(work: Callable[[], object]) -> Iterator[int]:
    """Another process, which does ``work`` and then stays until it is killed; its id."""
    done, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(say, b".")
        while True:
            signal.pause()
    try:
        os.close(say)
        assert os.read(done, 1) == b"."
        yield pid
    finally:
        os.close(done)
        kill(pid)


def kill(pid: int) -> None:
    """Kill a process and wait for its end; a second time does nothing."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def table(memory: CreatesMemory) -> CreateTable:
    found = memory.table()
    assert found is not None
    return found


def test_a_create_is_in_doubt_once_the_kernel_has_ended_its_process(
    lasting: LastingMemory,
) -> None:
    memory = CreatesMemory(lasting)
    own = table(memory)
    with process(lambda: table(memory).begin(D)) as pid:
        assert own.claim(D) is None
        kill(pid)
        assert own.claim(D) is not None


def test_a_process_that_starts_brings_none_that_was_killed_to_life(
    lasting: LastingMemory,
) -> None:
    """Not even while it is stopped between its first two steps: it has a slot, and no number."""
    memory, file = CreatesMemory(lasting), lasting.files()[NAME]
    own = table(memory)
    with process(lambda: table(memory).begin(D)) as pid:
        kill(pid)
        with process(lambda: KernelLock(file).take_slot(memory.free_first())):
            assert own.standing(D, 0.0) is Standing.CLAIMABLE
            assert own.claim(D) is not None


def test_each_process_takes_the_slot_that_was_used_least(lasting: LastingMemory) -> None:
    memory = CreatesMemory(lasting)
    for _ in range(3):
        with process(lambda: table(memory)):
            pass
    found = list(memory.free_first())
    assert (found[0], sorted(found)) == (3, list(range(OWNERS)))


def test_the_turn_of_a_process_that_is_killed_is_over(lasting: LastingMemory) -> None:
    memory = CreatesMemory(lasting)
    own, file = table(memory), lasting.files()[NAME]
    with process(lambda: KernelLock(file).acquire()) as pid:
        with pytest.raises(BusyError):  # it is not waited for any longer than some milliseconds
            own.begin(D)
        kill(pid)
        assert own.begin(D) is not None


def test_the_next_gate_goes_on_with_what_the_gate_before_has_noted(
    lasting: LastingMemory,
) -> None:
    own = table(CreatesMemory(lasting))
    place = own.begin(D)
    assert place is not None
    own.abandon(place)
    passed = LastingMemory({NAME: os.dup(lasting.files()[NAME])})
    memory = CreatesMemory(passed)  # it lasts: a process that unmaps it gives up its locks
    with process(lambda: table(memory).claim(D)) as pid:
        assert own.claim(D) is None
        kill(pid)
        assert own.claim(D) is not None


def test_every_process_has_a_slot_of_its_own(lasting: LastingMemory) -> None:
    memory = CreatesMemory(lasting)
    file = lasting.files()[NAME]
    own = KernelLock(file).take_slot()
    assert own == 0
    with process(lambda: table(memory)):
        assert KernelLock(file).lives(1)
        assert not KernelLock(file).lives(2)
    assert not KernelLock(file).lives(1)
