"""The keys that a worker leaves to the one that replaces it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator

import pytest

from headgate.runtime.kept_keys import KIND, KeptKeys
from headgate.runtime.link import KEEPS, Ends, Kept, Link
from headgate.stores.identity import Changes, Position
from headgate.stores.records import KeyRecord
from tests.support.keyrings import principal

KEYS = [
    KeyRecord(f"k_{number:08}", f"ci {number}", number.to_bytes(32), 1, roles=("admin",))
    for number in range(1_200)
]
OWNER = principal()
ALL = Changes(Position(7, "a"), True, [OWNER], KEYS)


class Pair:
    """A worker and its supervisor, in one process."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.kept = Kept()
        self.link = Link(
            0, -1, False, self.ends.their_output, self.ends.theirs, self.kept, lambda _beats: None
        )
        self.keys = KeptKeys(self.link, leaves=True)

    def receive(self) -> int:
        """Let the supervisor take what was sent; how many files it was."""
        files = 0
        while (got := self.ends.receive()) is not None:
            message, file = got
            if file is not None:
                files += 1
                self.kept.replace(message.removeprefix(KEEPS).decode(), file)
        return files

    def truncate(self, less: int) -> None:
        """Cut the file short, as a worker that is killed while it writes leaves it."""
        file = self.kept._files[KIND]
        os.ftruncate(file, os.fstat(file).st_size - less)


@pytest.fixture
def pair() -> Iterator[Pair]:
    gc.collect()  # what other tests have left closes its files at any time
    files = len(os.listdir("/proc/self/fd"))
    made = Pair()
    yield made
    made.keys.close()
    made.ends.close_theirs()
    made.ends.close()
    made.kept.close()
    assert len(os.listdir("/proc/self/fd")) == files


def test_keys_are_found_again_with_what_changed_and_their_age(pair: Pair) -> None:
    assert pair.keys.left() is None
    pair.keys.write(ALL)
    pair.keys.compared(1_000.5)
    assert pair.receive() == 1
    changed = KeyRecord("k_00000003", "ci", (3).to_bytes(32), 1, revoked_at=5)
    pair.keys.write(Changes(Position(8, "b"), False, [], [changed]))
    pair.keys.compared(1_001.5)
    assert pair.receive() == 0  # it is the same file
    left = pair.keys.left()
    assert left is not None
    assert left.compared_at == 1_001.5
    assert (left.changes.position, left.changes.complete) == (Position(8, "b"), True)
    assert list(left.changes.principals) == [OWNER]
    assert list(left.changes.keys) == [changed if each.id == changed.id else each for each in KEYS]


def test_what_was_half_written_is_left_out_with_all_that_was_read_with_it(pair: Pair) -> None:
    pair.keys.write(ALL)
    pair.keys.compared(1_000.0)
    pair.receive()
    more = [KeyRecord(f"k_{n:08}", "new", n.to_bytes(32), 1) for n in range(5_000, 6_200)]
    pair.keys.write(Changes(Position(8, "b"), False, [], more))
    for _ in range(20):
        pair.truncate(5)
        left = pair.keys.left()
        assert left is not None
        assert (left.changes.position, len(left.changes.keys)) == (Position(7, "a"), 1_200)


def test_a_file_of_nothing_is_nothing(pair: Pair) -> None:
    pair.keys.write(ALL)
    pair.keys.compared(1_000.0)
    pair.receive()
    file = pair.kept._files[KIND]
    os.ftruncate(file, 20)
    assert pair.keys.left() is None
    os.ftruncate(file, 3)
    assert pair.keys.left() is None


def test_one_worker_leaves_them(pair: Pair) -> None:
    other = KeptKeys(pair.link, leaves=False)
    other.write(ALL)
    other.compared(1_000.0)
    assert pair.receive() == 0


def test_many_changes_make_all_keys_be_written_anew(pair: Pair) -> None:
    pair.keys.write(Changes(Position(1, "a"), True))
    pair.keys.compared(1_000.0)
    full = [pair.keys.is_full]
    for number in range(20):
        pair.keys.write(Changes(Position(number, "b"), False, [], KEYS))
    full.append(pair.keys.is_full)
    pair.keys.write(ALL)
    full.append(pair.keys.is_full)
    assert full == [False, True, False]


def test_one_change_costs_the_same_beside_many_keys(pair: Pair) -> None:
    many = [KeyRecord(f"k_{n:08}", f"ci {n}", n.to_bytes(32), 1) for n in range(20_000)]
    pair.keys.write(Changes(Position(1, "a"), True, [], many))
    began = time.process_time()
    for number in range(100):
        pair.keys.write(Changes(Position(number, "b"), False, [], KEYS[:1]))
    assert time.process_time() - began < 0.1
