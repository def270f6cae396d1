"""Listening sockets: one port for all workers, and for nobody else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from headgate.config import Listen
from headgate.errors import HeadgateError
from headgate.runtime import listener

Bind = Callable[[Listen], list[socket.socket]]


@pytest.fixture
def bind() -> Iterator[Bind]:
    """Binds, and closes at the end."""
    with ExitStack() as stack:

        def bound(listen: Listen) -> list[socket.socket]:
            return [stack.enter_context(each) for each in listener.bind(listen)]

        yield bound


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def listens(listening: socket.socket) -> bool:
    return bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_there_is_a_socket_for_each_worker_on_one_port(host: str, workers: int, bind: Bind) -> None:
    sockets = bind(Listen(host=host, port=0, workers=workers))
    assert len(sockets) == workers
    assert len({port_of(each) for each in sockets}) == 1
    for each in sockets:
        assert listens(each)
        assert not each.getblocking()


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("second", [1, 2])
def test_a_port_that_is_taken_is_never_shared(first: int, second: int, bind: Bind) -> None:
    """The kernel would let a second gate of the same user join the first one's workers."""
    port = port_of(bind(Listen(port=0, workers=first))[0])
    with pytest.raises(HeadgateError, match=rf"^127\.0\.0\.1:{port} is taken; "):
        bind(Listen(port=port, workers=second))


def test_a_client_that_is_silent_is_asked_whether_it_is_there(bind: Bind) -> None:
    (listening,) = bind(Listen(port=0))
    with socket.create_connection(listening.getsockname()):
        listening.setblocking(True)
        accepted, _ = listening.accept()
    with accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


def test_a_port_is_free_again_afterwards(bind: Bind) -> None:
    listen = Listen(port=0, workers=2)
    sockets = bind(listen)
    port = port_of(sockets[0])
    for each in sockets:
        each.close()
    assert port_of(bind(Listen(port=port, workers=2))[0]) == port


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("192.0.2.1", r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"),
        ("2001:db8::1", r"cannot listen on \[2001:db8::1\]:0: "),
        ("a..b", r"cannot listen on a\.\.b:0: "),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_an_address_that_cannot_be_listened_on(host: str, workers: int, message: str) -> None:
    """Nothing stays open: a socket that is left behind would be a warning, and so an error."""
    with pytest.raises(HeadgateError, match=message):
        listener.bind(Listen(host=host, port=0, workers=workers))


def test_a_name_that_no_resolver_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(HeadgateError, match=r"cannot listen on no\.such\.host\.invalid:0: Name or"):
        listener.bind(Listen(host="no.such.host.invalid", port=0))


def test_a_socket_that_is_ended_is_ended_in_every_process(bind: Bind) -> None:
    """``end`` is for a worker; the supervisor has the same socket open."""
    (listening,) = bind(Listen(port=0))
    with listening.dup() as same:
        listener.end(same)
        assert not listens(listening)
        listener.end(same)  # a second time it does nothing
    listening.close()
    listener.end(listening)
