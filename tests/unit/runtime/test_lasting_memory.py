"""Memory that a gate leaves to the one that takes over."""

from __future__ import annotations

import os

import pytest

from headgate.runtime.lasting_memory import LastingMemory


def passed(memory: LastingMemory) -> dict[str, int]:
    """The descriptors as another process gets them."""
    return {name: os.dup(file) for name, file in memory.files().items()}


def test_the_next_gate_sees_what_was_written_and_what_is_written_later() -> None:
    old = LastingMemory()
    before = old.mapped("creates", 4096)
    before[0:5] = b"first"
    new = LastingMemory(passed(old))
    after = new.mapped("creates", 4096)
    old.close()
    assert after[0:5] == b"first"
    before[5:11] = b"second"
    assert after[5:11] == b"second"
    new.close()


def test_of_another_size_it_is_new() -> None:
    old = LastingMemory()
    old.mapped("creates", 4096)[0:1] = b"x"
    new = LastingMemory(passed(old))
    assert new.mapped("creates", 8192)[0:1] == b"\0"
    old.close()
    new.close()


@pytest.mark.parametrize("kind", ["pipe", "unsealed"])
def test_a_descriptor_that_is_no_such_memory_is_left_out(kind: str) -> None:
    if kind == "pipe":
        file, other = os.pipe()
        os.close(other)
    else:
        file = os.memfd_create("unsealed")
        os.ftruncate(file, 4096)
    new = LastingMemory({"creates": file})
    assert new.mapped("creates", 4096)[0:1] == b"\0"
    new.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(file)


def test_what_nobody_asks_for_is_closed_and_not_passed_on() -> None:
    file = os.memfd_create("of-a-newer-version")
    new = LastingMemory({"newer": file})
    assert new.files() == {}
    new.close()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(file)


def test_a_name_is_given_once() -> None:
    memory = LastingMemory()
    memory.mapped("creates", 4096)
    with pytest.raises(ValueError, match="two pieces"):
        memory.mapped("creates", 4096)
    memory.close()
