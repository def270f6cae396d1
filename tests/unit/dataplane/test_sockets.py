"""How much the kernel still holds for a peer."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import time

import pytest

from headgate.dataplane.sockets import (
    NO_DUP,
    PeerState,
    close_dup,
    dup,
    is_dead,
    keep_alive,
    peer_state,
    read_rest,
    reset_at_close,
    unacknowledged,
)
from tests.support.patience import patience


def test_it_shrinks_as_the_peer_reads() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours})
        assert unacknowledged(transport) == 0
        ours.sendall(b"x" * 10_000)
        ours.sendall(b"x" * 10_000)
        both = unacknowledged(transport)
        assert both >= 20_000
        theirs.recv(10_000, socket.MSG_WAITALL)
        assert 0 < unacknowledged(transport) < both


def test_nothing_is_known_without_a_socket() -> None:
    assert unacknowledged(asyncio.BaseTransport({})) == 0


def test_nothing_is_known_of_a_closed_one() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours})
    assert unacknowledged(transport) == 0


def test_an_end_is_seen_behind_what_is_not_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours})
        theirs.sendall(b"unread")
        assert peer_state(transport) is PeerState.OPEN
        theirs.shutdown(socket.SHUT_WR)
        assert peer_state(transport) is PeerState.HALF_CLOSED


def test_who_is_closed_or_has_no_socket_has_not_left() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours})
    assert peer_state(transport) is PeerState.OPEN
    assert peer_state(asyncio.BaseTransport({})) is PeerState.OPEN


def test_a_reset_is_seen_by_the_peer_and_by_a_side_that_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with theirs, ours:
        reset_at_close(asyncio.BaseTransport({"socket": ours}))
        ours.close()
        assert peer_state(asyncio.BaseTransport({"socket": theirs})) is PeerState.GONE
        with pytest.raises(ConnectionResetError):
            theirs.recv(1)
        reset_at_close(asyncio.BaseTransport({"socket": ours}))  # it is closed already
    reset_at_close(asyncio.BaseTransport({}))


@pytest.mark.parametrize("sent", [b"", b"x" * 100_000])
def test_what_has_come_is_kept_when_the_connection_closes(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.setblocking(False)
            held = dup(asyncio.BaseTransport({"socket": ours}))
            theirs.sendall(sent)
        theirs.sendall(b"also")
        assert read_rest(held, 1_000_000) == sent + b"also"
        close_dup(held)
        with pytest.raises(BrokenPipeError):
            theirs.sendall(b"nobody is there")


def test_a_peer_that_sends_without_end_is_not_read_indefinitely() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        ours.setblocking(False)
        held = dup(asyncio.BaseTransport({"socket": ours}))
        theirs.sendall(b"x" * 100_000)
        assert len(read_rest(held, 1)) <= 65_536
        close_dup(held)
        assert ours.recv(200_000)  # what belongs to the transport is left to it


def test_nothing_is_kept_of_what_is_closed_or_encrypted_or_no_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours, "ssl_object": object()})
        assert dup(transport) == NO_DUP
    assert dup(asyncio.BaseTransport({"socket": ours})) == NO_DUP
    assert dup(asyncio.BaseTransport({})) == NO_DUP
    assert read_rest(NO_DUP, 1) == b""
    close_dup(NO_DUP)


# --- peers that are gone -------------------------------------------------------------------------


class Socket:
    """What a transport tells of its socket, as the kernel would."""

    family = socket.AF_INET

    def __init__(self, unacked: int, last_ack_ms: int) -> None:
        self.told = struct.pack("=8B13I", *[0] * 12, unacked, *[0] * 7, last_ack_ms)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option, size) == (socket.IPPROTO_TCP, socket.TCP_INFO, len(self.told))
        return self.told


class Told(asyncio.BaseTransport):
    """A transport with such a socket."""


@pytest.mark.parametrize(
    ("unacked", "silent_ms", "dead"),
    [(1, 80_000, True), (3, 600_000, True), (1, 79_999, False), (0, 600_000, False)],
)
def test_a_peer_is_gone_that_acknowledges_nothing(unacked: int, silent_ms: int, dead: bool) -> None:
    """One that takes nothing and says so has all acknowledged, however long it does."""
    assert is_dead(Told({"socket": Socket(unacked, silent_ms)})) is dead


def test_a_full_receiver_is_not_gone() -> None:
    """Against the real kernel: its window is closed, and nothing is under way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        with ours, theirs:
            ours.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    ours.send(bytes(65536))
            info = struct.Struct("=8B13I")

            def unacked() -> int:
                told = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, info.size)
                return int(info.unpack(told)[12])

            deadline = time.monotonic() + patience(10)
            while unacked() and time.monotonic() < deadline:
                select.select([], [], [], 0.01)
            assert unacked() == 0
            assert not is_dead(Told({"socket": ours}))


def test_connections_to_mlflow_are_kept_alive() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()) as ours:
        keep_alive(Told({"socket": ours}))
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [ours.getsockopt(socket.IPPROTO_TCP, each) for each in options] == [30, 15, 4]
    keep_alive(Told({}))  # the gate's own pages have none
