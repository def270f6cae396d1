"""How much the kernel still holds for a peer."""

from __future__ import annotations

import asyncio
import socket

from headgate.dataplane.kernel import unacknowledged


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
