"""The messages of a hand-over, and all that can be wrong with them."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Iterator

import pytest

from headgate.runtime import takeover_protocol as protocol
from headgate.runtime.takeover_protocol import HandOverError, Message

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        one.settimeout(5)
        other.settimeout(5)
        yield one, other


@pytest.fixture
def file() -> Iterator[int]:
    found = os.memfd_create("passed")
    yield found
    os.close(found)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_message_comes_as_it_was_sent(pair: Pair, file: int) -> None:
    one, other = pair
    os.write(file, b"what is passed")
    protocol.send(one, protocol.HELLO, [file], protocol=1, version="1.0", names=["a", "b"])
    message = protocol.receive(other)
    assert message.kind == protocol.HELLO
    assert message.number("protocol") == 1
    assert message.text("version") == "1.0"
    assert message.texts("names") == ("a", "b")
    (passed,) = message.files
    assert os.pread(passed, 100, 0) == b"what is passed"
    assert not os.get_inheritable(passed)
    os.close(passed)


def test_the_end_of_the_connection_is_a_message_without_a_kind(pair: Pair) -> None:
    one, other = pair
    one.close()
    assert protocol.receive(other) == Message("", {})


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"kind": 1}',
        b'{"kind": ""}',
        b"\xff\xfe",
        b'{"kind": "hello", "protocol": 1',  # truncated
        b"[" * 20_000,
    ],
)
def test_what_is_no_message_is_refused_and_its_files_are_closed(
    data: bytes, pair: Pair, file: int
) -> None:
    one, other = pair
    before = open_files()
    one.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))])
    with pytest.raises(HandOverError, match="no message of a hand-over"):
        protocol.receive(other)
    assert open_files() == before


def test_descriptors_without_a_message_are_closed(pair: Pair, file: int) -> None:
    one, other = pair
    before = open_files()
    one.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))])
    with pytest.raises(HandOverError, match="without a message"):
        protocol.receive(other)
    assert open_files() == before


def test_a_message_that_is_too_long_is_refused(pair: Pair) -> None:
    one, other = pair
    one.send(json.dumps({"kind": "hello", "x": "y" * protocol.MESSAGE_BYTES}).encode())
    with pytest.raises(HandOverError, match="too long"):
        protocol.receive(other)


def test_too_many_files_beside_one_message_are_refused_and_closed(pair: Pair, file: int) -> None:
    one, other = pair
    before = open_files()
    protocol.send(one, protocol.FILES, [file] * (protocol.FILES_TOGETHER + 2))
    with pytest.raises(HandOverError, match="not all descriptors"):
        protocol.receive(other)
    assert open_files() == before


@pytest.mark.parametrize("fields", [{}, {"name": 1}, {"name": None}, {"name": ["x"]}])
def test_a_text_that_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(HandOverError, match="'offer' has no 'name'"):
        Message("offer", fields).text("name")


@pytest.mark.parametrize("fields", [{}, {"name": "1"}, {"name": True}, {"name": 1.5}])
def test_a_number_that_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(HandOverError, match="'offer' has no 'name'"):
        Message("offer", fields).number("name")


@pytest.mark.parametrize("fields", [{}, {"name": "x"}, {"name": [1]}])
def test_a_list_that_is_none(fields: dict[str, object]) -> None:
    with pytest.raises(HandOverError, match="'offer' has no list 'name'"):
        Message("offer", fields).texts("name")


@pytest.mark.parametrize("theirs", [0, 2, 99])
def test_another_version_of_the_protocol(theirs: int) -> None:
    with pytest.raises(HandOverError, match=rf"version {theirs} of the hand-over protocol"):
        protocol.check_protocol(Message("hello", {"protocol": theirs}))
    protocol.check_protocol(Message("hello", {"protocol": protocol.PROTOCOL}))


@pytest.mark.parametrize("count", [0, 1, protocol.FILES_TOGETHER, protocol.FILES_TOGETHER + 1, 300])
def test_an_offer_brings_every_file_under_its_name(count: int, pair: Pair, file: int) -> None:
    one, other = pair
    before = open_files()
    protocol.send_offer(one, [(f"file {number}", file) for number in range(count)], version="1.0")
    offer = protocol.receive(other)
    assert offer.text("version") == "1.0"
    found = protocol.receive_files(other, offer.texts("names"))
    assert [name for name, _ in found] == [f"file {number}" for number in range(count)]
    assert open_files() == before + count
    protocol.close_all([each for _, each in found])


def test_an_offer_of_too_many_files_is_not_sent(pair: Pair, file: int) -> None:
    with pytest.raises(HandOverError, match="at most 1024"):
        protocol.send_offer(pair[0], [("x", file)] * (protocol.MOST_FILES + 1))
    with pytest.raises(HandOverError, match="over 1024"):
        protocol.receive_files(pair[1], ["x"] * (protocol.MOST_FILES + 1))


@pytest.mark.parametrize("then", ["ends", "says something else", "passes too many"])
def test_an_offer_that_is_not_kept_leaves_nothing_open(then: str, pair: Pair, file: int) -> None:
    one, other = pair
    before = open_files()
    protocol.send(one, protocol.FILES, [file])
    if then == "ends":
        one.shutdown(socket.SHUT_WR)
    elif then == "says something else":
        protocol.send(one, protocol.LEFT)
    else:
        protocol.send(one, protocol.FILES, [file] * 3)
    with pytest.raises(HandOverError, match="passed"):
        protocol.receive_files(other, ["a", "b"])
    assert open_files() == before


def test_the_kernel_says_who_is_there(pair: Pair) -> None:
    found = protocol.peer_of(pair[0])
    assert (found.pid, found.uid) == (os.getpid(), os.geteuid())
