"""A text in shared memory is read as it was written, whatever becomes of who writes it."""

from __future__ import annotations

import mmap
import os
import signal
import time

import pytest

from headgate.runtime.shared_block import SharedBlock, block_bytes
from tests.support.patience import patience

CAPACITY = 100_000


@pytest.fixture
def memory() -> memoryview:
    return memoryview(mmap.mmap(-1, block_bytes(CAPACITY)))


@pytest.fixture
def block(memory: memoryview) -> SharedBlock:
    return SharedBlock(memory, CAPACITY)


def test_nothing_was_written_at_first(block: SharedBlock) -> None:
    assert (block.number, block.read()) == (0, (0, b""))


@pytest.mark.parametrize("length", [0, 1, CAPACITY - 1, CAPACITY])
def test_the_last_text_counts(block: SharedBlock, length: int) -> None:
    for number in range(1, 4):
        text = bytes([number]) * length
        block.write(text)
        assert (block.number, block.read()) == (number, (number, text))
    block.write(b"")
    assert block.read() == (4, b"")


def test_a_text_that_is_too_long_changes_nothing(block: SharedBlock) -> None:
    block.write(b"before")
    with pytest.raises(ValueError, match="more than there is room for"):
        block.write(bytes(CAPACITY + 1))
    assert block.read() == (1, b"before")


def test_damage_is_noticed(block: SharedBlock, memory: memoryview) -> None:
    block.write(b"before")
    at = bytes(memory).index(b"before")
    memory[at : at + 6] = b"beforf"
    with pytest.raises(ValueError, match="not what was written"):
        block.read()


def test_readers_have_whole_texts_while_writers_are_killed(block: SharedBlock) -> None:
    """Each text is one byte repeated, so a half one shows."""
    seen, killed = set(), 0
    deadline = time.monotonic() + patience(20)
    while killed < 20 and time.monotonic() < deadline:
        child = os.fork()
        if child == 0:  # pragma: no cover - ends by the signal
            number = 0
            while True:
                number = number % 255 + 1
                block.write(bytes([number]) * CAPACITY)
        began = block.number
        while block.number < began + 5:
            pass
        for _ in range(50):
            _, text = block.read()
            assert len(text) in {0, CAPACITY}
            assert len(set(text)) <= 1
            seen.add(text[:1])
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
        _, text = block.read()  # a text whole, also after a writer that was killed in the middle
        assert len(set(text)) == 1
    assert killed == 20
    assert len(seen) > 20
