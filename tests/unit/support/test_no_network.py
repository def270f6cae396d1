"""The ban of the network, with planted uses of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import dns.exception
import dns.resolver
import pytest

from tests.support.no_network import NetworkUsedError


def look_up() -> None:
    socket.getaddrinfo("mlflow.example", 443)


def look_up_in_a_loop() -> None:
    async def story() -> None:
        await asyncio.get_running_loop().getaddrinfo("mlflow.example", 443)

    asyncio.run(story())


def ask_a_name_server() -> None:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["192.0.2.53"]
    resolver.resolve("mlflow.example", "A", lifetime=0.1)


def connect() -> None:
    with socket.socket() as client:
        client.connect(("192.0.2.1", 443))


@pytest.mark.parametrize("use", [look_up, look_up_in_a_loop, ask_a_name_server, connect])
def test_what_leaves_the_machine_is_refused(use: Callable[[], None], network: list[str]) -> None:
    with pytest.raises((NetworkUsedError, dns.exception.Timeout)):
        use()
    assert network
    network.clear()  # or this test fails too


def test_what_stays_here_passes(network: list[str]) -> None:
    with (
        socket.create_server(("localhost", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert client.getpeername() == server.getsockname()
    assert socket.getaddrinfo("192.0.2.1", 443)
    assert network == []
