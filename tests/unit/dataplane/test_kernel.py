"""How much the kernel still holds for a peer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from headgate.dataplane.kernel import (
    NO_HOLD,
    Left,
    hold,
    left,
    let_go,
    reset_at_close,
    unacknowledged,
    unread,
)


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
        assert left(transport) is Left.NOTHING
        theirs.shutdown(socket.SHUT_WR)
        assert left(transport) is Left.SENDING


def test_who_is_closed_or_has_no_socket_has_not_left() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours})
    assert left(transport) is Left.NOTHING
    assert left(asyncio.BaseTransport({})) is Left.NOTHING


def test_a_reset_is_seen_by_the_peer_and_by_whoever_does_not_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with theirs, ours:
        reset_at_close(asyncio.BaseTransport({"socket": ours}))
        ours.close()
        assert left(asyncio.BaseTransport({"socket": theirs})) is Left.ALL
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
            held = hold(asyncio.BaseTransport({"socket": ours}))
            theirs.sendall(sent)
        theirs.sendall(b"also")
        assert unread(held, 1_000_000) == sent + b"also"
        let_go(held)
        with pytest.raises(BrokenPipeError):
            theirs.sendall(b"nobody is there")


def test_a_peer_that_sends_without_end_is_not_listened_to_for_ever() -> None:
    ours, theirs = socket.socketpair()
    with theirs, ours:
        ours.setblocking(False)
        held = hold(asyncio.BaseTransport({"socket": ours}))
        theirs.sendall(b"x" * 100_000)
        assert len(unread(held, 1)) <= 65_536
        let_go(held)
        assert ours.recv(200_000)  # what belongs to the transport is left to it


def test_nothing_is_kept_of_what_is_closed_or_encrypted_or_no_connection() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = asyncio.BaseTransport({"socket": ours, "ssl_object": object()})
        assert hold(transport) == NO_HOLD
    assert hold(asyncio.BaseTransport({"socket": ours})) == NO_HOLD
    assert hold(asyncio.BaseTransport({})) == NO_HOLD
    assert unread(NO_HOLD, 1) == b""
    let_go(NO_HOLD)
