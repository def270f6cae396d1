"""Which worker accepts on which socket: of a new gate, and of one that takes over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from headgate.config import Listen
from headgate.errors import HeadgateError
from headgate.runtime import listener
from headgate.runtime.listener import KeptSocket
from headgate.runtime.listeners import Listeners


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def bound(workers: int, stack: ExitStack) -> Listeners:
    return stack.enter_context(closing(Listeners.bound(Listen(port=0, workers=workers))))


def passed(old: Listeners, workers: int, stack: ExitStack) -> Listeners:
    """What the next gate makes of the sockets of ``old``."""
    sockets = [each.dup() for each in old.to_pass_on()]
    listen = Listen(port=old.address.port, workers=workers)
    return stack.enter_context(closing(Listeners.passed(listen, sockets)))


def same(one: socket.socket, other: socket.socket) -> bool:
    """Whether both are one socket of the kernel's."""
    cookies = [each.getsockopt(socket.SOL_SOCKET, 57, 8) for each in (one, other)]  # SO_COOKIE
    return cookies[0] == cookies[1]


def ports(sockets: Listeners) -> set[int]:
    return {each.getsockname()[1] for own in sockets._of_workers for each in own}


@pytest.mark.parametrize(("before", "after"), [(1, 1), (2, 2), (2, 1), (4, 2), (5, 2)])
def test_each_queue_has_a_reader(before: int, after: int, stack: ExitStack) -> None:
    old = bound(before, stack)
    new = passed(old, after, stack)
    read = [each for own in new._of_workers for each in own]
    assert len(read) == before
    for each in old.to_pass_on():
        assert sum(same(each, other) for other in read) == 1
    sizes = [len(own) for own in new._of_workers]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (1, 4)])
def test_workers_without_a_socket_get_their_own(before: int, after: int, stack: ExitStack) -> None:
    """They take their share of connections once they listen."""
    old = bound(before, stack)
    new = passed(old, after, stack)
    assert ports(new) == {old.address.port}
    assert [len(own) for own in new._of_workers] == [1] * after
    own = [each for (each,) in new._of_workers]
    assert [listener.listens(each) for each in own] == [True] * before + [False] * (after - before)
    for each in own:
        each.listen()
    for _ in range(64 * after):
        stack.enter_context(socket.create_connection(old.address))
    assert all(accepts(each) for each in own)


def accepts(listening: socket.socket) -> bool:
    try:
        listening.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_from_more_workers_to_fewer_and_back(stack: ExitStack) -> None:
    first = bound(2, stack)
    second = passed(first, 1, stack)
    third = passed(second, 2, stack)
    assert [len(own) for own in third._of_workers] == [1, 1]
    assert len(third.to_pass_on()) == 2


def test_of_a_kept_socket_each_worker_has_a_descriptor(stack: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        kept = KeptSocket(fileno=made.detach())
    listen = Listen(workers=3)
    old = stack.enter_context(closing(Listeners.passed(listen, [kept])))
    assert old.is_kept
    (only,) = old.to_pass_on()
    assert all(same(only, each) for own in old._of_workers for each in own)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_that_still_listens_is_kept(workers: int, stack: ExitStack) -> None:
    """Connections may be waiting in it."""
    made = bound(workers, stack)
    before = made.to_pass_on()
    made.renew(0)
    assert made.to_pass_on() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_in_the_place_of_one_that_was_ended_there_is_a_new_one(
    workers: int, stack: ExitStack
) -> None:
    made = bound(workers, stack)
    first, *others = made.to_pass_on()
    listener.end(first)
    assert made.to_pass_on() == others
    made.renew(0)
    assert first.fileno() == -1
    (new,) = made._of_workers[0]
    assert not listener.listens(new)  # the worker that serves on it begins with that
    new.listen()
    assert new.getsockname() == tuple(made.address)
    assert all(listener.listens(each) for each in others)


def test_of_two_sockets_one_is_enough(stack: ExitStack) -> None:
    made = passed(bound(2, stack), 1, stack)
    listener.end(made._of_workers[0][0])
    made.renew(0)
    assert [listener.listens(each) for each in made._of_workers[0]] == [True]


def test_while_the_port_is_taken_a_worker_has_none(stack: ExitStack) -> None:
    made = bound(1, stack)
    listener.end(*made.to_pass_on())
    with socket.create_server(tuple(made.address)):
        with pytest.raises(HeadgateError, match="is taken"):
            made.renew(0)
        assert made.take(0) == ()
    made.renew(0)
    (own,) = made.take(0)
    own.close()


def test_a_worker_has_its_own_alone(stack: ExitStack) -> None:
    made = bound(2, stack)
    others = made._of_workers[0]
    (own,) = made.take(1)
    assert listener.listens(own)
    assert others == []
    own.close()
