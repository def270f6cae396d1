"""The sockets of the operators' listener: what becomes of the gate when they cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from headgate.config import Ops
from headgate.errors import HeadgateError
from headgate.events import Event, OpsListenerOff
from headgate.runtime import listener
from headgate.runtime.ops_listener import OpsSockets


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def unchosen(text: str) -> Ops:
    """Settings whose address nobody has set."""
    return Ops.model_construct(_fields_set=set(), listen=text, hosts=())


def test_each_worker_has_one_on_the_same_port(events: list[Event]) -> None:
    with closing(OpsSockets(Ops(listen="127.0.0.1:0"), 3, events.append)) as sockets:
        assert sockets.address is not None
        (own,) = sockets.take(1)
        with own:
            assert own.getsockname() == tuple(sockets.address)
        assert sockets.take(0) == ()  # those of the others are closed
    assert not events


def test_ipv6(events: list[Event]) -> None:
    with closing(OpsSockets(Ops(listen="[::1]:0"), 1, events.append)) as sockets:
        assert sockets.address is not None
        assert str(sockets.address).startswith("[::1]:")


def test_an_empty_address_is_no_listener(events: list[Event]) -> None:
    with closing(OpsSockets(Ops(listen=""), 2, events.append)) as sockets:
        assert sockets.address is None
        sockets.renew(0)
        assert sockets.take(0) == ()
    assert not events


@pytest.mark.parametrize("workers", [1, 2])
def test_a_chosen_address_that_is_taken_stops_the_start(
    taken: int, workers: int, events: list[Event]
) -> None:
    with pytest.raises(HeadgateError, match=rf"^ops\.listen: 127\.0\.0\.1:{taken} is taken; "):
        OpsSockets(Ops(listen=f"127.0.0.1:{taken}"), workers, events.append)
    assert not events


@pytest.mark.parametrize("text", ["192.0.2.1:0", "[2001:db8::1]:0"])
def test_so_does_an_address_that_is_not_this_machines(text: str, events: list[Event]) -> None:
    with pytest.raises(HeadgateError, match=r"^ops\.listen: cannot listen on "):
        OpsSockets(Ops(listen=text), 1, events.append)


@pytest.mark.parametrize("workers", [1, 2])
def test_without_the_default_address_the_gate_serves_all_the_same(
    taken: int, workers: int, events: list[Event]
) -> None:
    text = f"127.0.0.1:{taken}"
    with closing(OpsSockets(unchosen(text), workers, events.append)) as sockets:
        assert sockets.address is None
        assert sockets.take(0) == ()
    (event,) = events
    assert isinstance(event, OpsListenerOff)
    assert event.address == text
    assert "ops.listen" in event.message()
    assert "is taken" in event.message()


def test_a_worker_goes_without_one_while_its_port_is_taken(events: list[Event]) -> None:
    with closing(OpsSockets(Ops(listen="127.0.0.1:0"), 1, events.append)) as sockets:
        assert sockets.address is not None
        listener.end(*sockets.to_pass_on())
        with socket.create_server(tuple(sockets.address)):
            sockets.renew(0)
            assert sockets.take(0) == ()
        assert [type(each) for each in events] == [OpsListenerOff]
        sockets.renew(0)
        (own,) = sockets.take(0)
        own.close()
