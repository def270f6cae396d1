"""Addresses in words, and ports that are free."""

from __future__ import annotations

import socket

import pytest

from headgate.cli import address
from headgate.errors import HeadgateError

HOST = "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", "8080")),
        ("[::1]:8080", ("::1", "8080")),
        ("gate:http", ("gate", "http")),
        ("8080", None),
        (":8080", None),
        ("gate:", None),
        ("", None),
    ],
)
def test_split(text: str, parts: tuple[str, str] | None) -> None:
    assert address.split(text) == parts


@pytest.mark.parametrize(
    ("host", "url"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")]
)
def test_url(host: str, url: str) -> None:
    assert address.url(host, 80) == url


def test_the_next_free_port_is_never_one_that_is_listened_on() -> None:
    with socket.create_server((HOST, 0)) as listener:
        taken: int = listener.getsockname()[1]

        assert address.bind_problem(HOST, taken) == "is in use"
        assert address.next_free_port(HOST, taken) > taken


def test_a_free_port_can_be_listened_on() -> None:
    port = address.free_port(HOST)

    assert address.bind_problem(HOST, port) is None
    assert address.next_free_port(HOST, port) == port


def test_an_address_of_another_machine_is_not_called_taken() -> None:
    """192.0.2.0/24 is kept for documentation (RFC 5737): no machine has such an address."""
    problem = address.bind_problem("192.0.2.1", 8080)

    assert problem is not None
    assert "taken" not in problem


def test_no_free_port_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "bind_problem", lambda *_: "is in use")

    with pytest.raises(HeadgateError, match=r"ports 8080 to 8179 of 127\.0\.0\.1 are all in use"):
        address.next_free_port(HOST, 8080)
