"""The sockets that a service manager passes on, and what is wrong with those that are none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from headgate.errors import HeadgateError
from headgate.runtime import listener
from headgate.runtime.activation import Inherited
from tests.support.activator import listening_socket

Passed = tuple[int, dict[str, str]]


class Passing:
    """Puts sockets on descriptors that follow each other, as a service manager does."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, sockets: Sequence[socket.socket], names: str = "") -> Passed:
        first = 700
        for place, each in enumerate(sockets):
            os.dup2(each.fileno(), first + place, inheritable=True)
            each.close()
            self._stack.callback(_close, first + place)
        environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))}
        if names:
            environment["LISTEN_FDNAMES"] = names
        return first, environment


def _close(descriptor: int) -> None:
    if os.path.exists(f"/proc/self/fd/{descriptor}"):
        os.close(descriptor)


@pytest.fixture
def passing() -> Iterator[Passing]:
    with ExitStack() as stack:
        yield Passing(stack)


def inherited(passed: Passed) -> Inherited:
    first, environment = passed
    return Inherited.from_environment(environment, first)


def settings_of(found: Inherited) -> dict[str, str | int]:
    """What follows from the sockets, which are closed then."""
    settings = found.settings()
    for each in (found.clients, found.ops):
        if each is not None:
            each.close()
    return settings


@pytest.mark.parametrize("names", ["", "unknown", "headgate", "headgate.socket"])
def test_one_socket_is_for_clients(names: str, passing: Passing) -> None:
    given = listening_socket()
    port = given.getsockname()[1]
    first, environment = passing([given], names)
    found = Inherited.from_environment(environment, first)
    assert environment == {}
    assert found.clients is not None
    assert found.ops is None
    assert not os.get_inheritable(found.clients.fileno())
    assert settings_of(found) == {"listen.host": "127.0.0.1", "listen.port": port}


@pytest.mark.parametrize("names", ["ops:headgate", "headgate-ops.socket:headgate.socket"])
def test_sockets_are_told_apart_by_their_names(names: str, passing: Passing) -> None:
    for_operators, for_clients = listening_socket("::1"), listening_socket()
    ops_port, port = for_operators.getsockname()[1], for_clients.getsockname()[1]
    found = inherited(passing([for_operators, for_clients], names))
    assert settings_of(found) == {
        "listen.host": "127.0.0.1",
        "listen.port": port,
        "ops.listen": f"[::1]:{ops_port}",
    }


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": "1"}],
)
def test_sockets_of_another_process_are_left_alone(environment: dict[str, str]) -> None:
    assert Inherited.from_environment(environment) == Inherited()
    assert environment == {}


def test_all_workers_share_the_queue_and_none_ends_it(passing: Passing) -> None:
    found = inherited(passing([listening_socket()]))
    assert found.clients is not None
    workers = listener.shared(found.clients, 3)
    try:
        where = workers[0].getsockname()
        listener.end(workers[0])
        workers[0].close()
        with socket.create_connection(where):
            workers[2].setblocking(True)
            workers[2].settimeout(10)
            workers[2].accept()[0].close()
    finally:
        for each in workers:
            each.close()


def not_listening() -> socket.socket:
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    return found


def datagrams() -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("127.0.0.1", 0))
    return found


def local() -> socket.socket:
    found = socket.socket(socket.AF_UNIX)
    found.bind("")
    found.listen()
    return found


@pytest.mark.parametrize("make", [not_listening, datagrams, local])
def test_a_socket_that_cannot_be_listened_on_is_an_error(make: object, passing: Passing) -> None:
    assert callable(make)
    with pytest.raises(HeadgateError, match=r"descriptor 700 .* no listening TCP socket; use List"):
        inherited(passing([make()]))


def test_a_file_is_no_socket() -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(HeadgateError, match="is no socket"):
            inherited((descriptor, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("count", "names", "words"),
    [
        ("x", "", "LISTEN_FDS is 'x'"),
        ("3", "a:b:c", "passes 3 sockets"),
        ("1", "web", "socket named 'web'"),
        ("2", "headgate", "1 names for 2"),
        ("2", "", "socket named ''"),
    ],
)
def test_what_the_manager_says_is_checked(count: str, names: str, words: str) -> None:
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    with pytest.raises(HeadgateError, match=words):
        Inherited.from_environment(environment, 1000)


def test_two_sockets_for_clients_are_one_too_many(passing: Passing) -> None:
    with pytest.raises(HeadgateError, match="two sockets named 'headgate'"):
        inherited(passing([listening_socket(), listening_socket()], "headgate:headgate"))
