"""What a worker tells its supervisor, and leaves behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.config import Config, load
from headgate.config.files import Files
from headgate.errors import HeadgateError
from headgate.runtime.handover import Handover, InForce
from headgate.runtime.link import KEEPS, MESSAGE_BYTES, OUTPUT_BYTES, Ends, Kept, Link


class Pair:
    """Both ends of a link, in one process."""

    def __init__(self) -> None:
        self.ends = Ends()
        self.kept = Kept()
        self.beats: list[int] = []
        self.link = Link(
            0, -1, False, self.ends.their_output, self.ends.theirs, self.kept, self.beats.append
        )

    def received(self) -> list[bytes]:
        """The messages so far; what was left is kept."""
        found = []
        while (got := self.ends.receive()) is not None:
            message, file = got
            found.append(message)
            if file is not None:
                self.kept.replace(message.removeprefix(KEEPS).decode(), file)
        return found

    def close(self) -> None:
        self.ends.close_theirs()
        self.ends.close()
        self.kept.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    files = len(os.listdir("/proc/self/fd"))
    made = Pair()
    yield made
    made.close()
    assert len(os.listdir("/proc/self/fd")) == files


def test_messages_arrive_one_by_one(pair: Pair) -> None:
    pair.link.ready()
    pair.link.cannot("x" * 2 * MESSAGE_BYTES)
    first, second = pair.received()
    assert first == b"s"
    assert second == b"c" + b"x" * (MESSAGE_BYTES - 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.binary(max_size=200_000), min_size=1, max_size=5))
def test_what_was_left_last_is_found(contents: list[bytes], pair: Pair) -> None:
    for content in contents:
        pair.link.keep("keys", content)
        pair.received()
    assert pair.link.kept("keys") == contents[-1]
    assert pair.link.kept("configuration") is None


def test_a_supervisor_that_takes_nothing_holds_up_nobody_and_misses_nothing(pair: Pair) -> None:
    for number in range(2000):
        pair.link.keep("keys", b"%d" % number)
    pair.received()
    pair.link.beat()
    pair.received()
    assert pair.link.kept("keys") == b"1999"


def test_without_a_supervisor_nothing_is_left_open(pair: Pair) -> None:
    files = len(os.listdir("/proc/self/fd"))
    pair.ends.channel.shutdown(socket.SHUT_RDWR)
    pair.link.keep("keys", b"nobody reads it")
    pair.link.beat()
    assert len(os.listdir("/proc/self/fd")) == files


def test_only_files_in_memory_are_taken(pair: Pair) -> None:
    """A descriptor that cannot be read at any place would hold up a worker that starts."""
    reader, writer = os.pipe()
    socket.send_fds(pair.ends.theirs, [KEEPS + b"keys"], [reader])
    assert pair.received() == [KEEPS + b"keys"]
    assert pair.link.kept("keys") is None
    os.close(reader)
    os.close(writer)


def test_heartbeats_grow_and_rest_at_the_end(pair: Pair) -> None:
    for _ in range(3):
        pair.link.beat()
    pair.link.rest()
    assert pair.beats == [1, 2, 3, 0]


def test_raw_output_is_bounded_and_never_waits(pair: Pair) -> None:
    written = 0
    while True:
        try:
            written += os.write(pair.link.output, b"x" * 4096)
        except BlockingIOError:
            break
    found = pair.ends.read_output()
    assert 0 < len(found) <= OUTPUT_BYTES
    assert pair.ends.read_output() == b""


def test_a_configuration_and_its_files_are_found_again(pair: Pair) -> None:
    config = load(
        None,
        {},
        {
            "listen.trusted_proxies": ["10.0.0.0/8"],
            "limits.body_bytes": "3 MiB",
            "upstreams.default.url": "http://mlflow:5000",
            "roles": {"own": {"grants": ["read:*"]}},
        },
    )
    left = InForce(config, {"/a/b": b"\x00content"})
    Handover(pair.link).leave(left)
    pair.received()
    found = Handover(pair.link).in_force()
    assert found == left
    assert found is not None
    assert found.config.model_fields_set == config.model_fields_set


def test_what_has_not_changed_is_not_left_again(pair: Pair) -> None:
    estate = Handover(pair.link)
    for _ in range(3):
        estate.leave(InForce(Config(), {}))
    assert len(pair.received()) == 1


def test_files_that_were_kept_are_not_read_from_disk(tmp_path: Path) -> None:

    file = tmp_path / "file"
    file.write_bytes(b"new")
    assert Files().read(file) == b"new"
    assert Files({str(file): b"old"}).read(file) == b"old"
    with pytest.raises(HeadgateError, match="not among the files"):
        Files({}).read(file)
