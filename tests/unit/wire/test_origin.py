"""Forwarding fields are believed from trusted proxies, and from nobody else."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire.origin import MAX_HOPS, Network, Origin, is_in, origin_of

TRUSTED: list[Network] = [
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("fd00::/8"),
    ipaddress.ip_network("127.0.0.1/32"),
]
HOST = {b"host": b"gate.example"}


def claimed(
    chain: bytes = b"", proto: bytes | None = None, host: bytes | None = None
) -> dict[bytes, bytes]:
    given = {b"x-forwarded-for": chain, b"x-forwarded-proto": proto, b"x-forwarded-host": host}
    return HOST | {name: value for name, value in given.items() if value is not None}


def lines(chain: str, scheme: str, host: str) -> bytes:
    return (
        f"X-Forwarded-For: {chain}\r\nX-Forwarded-Proto: {scheme}\r\nX-Forwarded-Host: {host}\r\n"
    ).encode()


@pytest.mark.parametrize("trusted", [[], TRUSTED])
def test_a_stranger_is_not_believed(trusted: list[Network]) -> None:
    known = claimed(b"203.0.113.9", b"https", b"other.example")
    assert origin_of(known, "192.0.2.7", "http", trusted) == Origin(
        "192.0.2.7", "http", b"gate.example", lines("192.0.2.7", "http", "gate.example")
    )


def test_nobody_is_trusted_by_default() -> None:
    """Loopback neither: a proxy on the same machine must be named."""
    assert origin_of(claimed(b"203.0.113.9"), "127.0.0.1", "http", []).address == "127.0.0.1"


def test_a_trusted_proxy_is_believed() -> None:
    known = claimed(b"203.0.113.9", b"HTTPS", b"public.example:8443")
    assert origin_of(known, "10.0.0.1", "http", TRUSTED) == Origin(
        "203.0.113.9",
        "https",
        b"public.example:8443",
        lines("203.0.113.9, 10.0.0.1", "https", "public.example:8443"),
    )


@pytest.mark.parametrize(
    ("chain", "address", "sent"),
    [
        # the client's own claim stands left of what the first trusted proxy saw
        (b"1.1.1.1, 203.0.113.9", "203.0.113.9", "203.0.113.9, 10.0.0.1"),
        (b"1.1.1.1, 203.0.113.9,10.0.0.2", "203.0.113.9", "203.0.113.9, 10.0.0.2, 10.0.0.1"),
        (b"10.0.0.9", "10.0.0.9", "10.0.0.9, 10.0.0.1"),
        (b"10.0.0.3 , 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1"),
        (b"2001:DB8::0001, fd00::2", "2001:db8::1", "2001:db8::1, fd00::2, 10.0.0.1"),
        # what is no address ends the walk; who stands left of it could be anybody
        (b"203.0.113.9, unknown", "10.0.0.1", "10.0.0.1"),
        (b"203.0.113.9, 10.0.0.2:1234", "10.0.0.1", "10.0.0.1"),
        (b"203.0.113.9, , 10.0.0.2", "10.0.0.2", "10.0.0.2, 10.0.0.1"),
        (b"", "10.0.0.1", "10.0.0.1"),
        (b",", "10.0.0.1", "10.0.0.1"),
        (b"10.0.0.01", "10.0.0.1", "10.0.0.1"),
        (b"\xe9", "10.0.0.1", "10.0.0.1"),
        (b"fe80::1%<script>", "10.0.0.1", "10.0.0.1"),
    ],
)
def test_the_chain_is_walked_from_its_end(chain: bytes, address: str, sent: str) -> None:
    origin = origin_of(claimed(chain), "10.0.0.1", "http", TRUSTED)
    assert (origin.address, origin.lines) == (address, lines(sent, "http", "gate.example"))


def test_a_chain_of_trusted_proxies_is_walked_so_far() -> None:
    """However long a field is, its handling is bounded."""
    chain = b", ".join([b"203.0.113.9"] + [b"10.0.0.2"] * (MAX_HOPS * 100))
    origin = origin_of(claimed(chain), "10.0.0.1", "http", TRUSTED)
    assert origin.address == "10.0.0.2"
    assert origin.lines.count(b"10.0.0.2") == MAX_HOPS


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [(b"http,https", "https"), (b"https, http", "http"), (b"gopher", "http"), (b"", "http")],
)
def test_the_last_proxy_tells_the_scheme(proto: bytes, scheme: str) -> None:
    assert origin_of(claimed(proto=proto), "10.0.0.1", "http", TRUSTED).scheme == scheme


@pytest.mark.parametrize(
    ("host", "believed"),
    [
        (b"public.example", b"public.example"),
        (b"a.example, b.example:1", b"b.example:1"),
        (b"a b", b"gate.example"),
        (b"a.example/x", b"gate.example"),
        (b"", b"gate.example"),
        (b"user@a", b"gate.example"),
    ],
)
def test_the_last_proxy_tells_the_host(host: bytes, believed: bytes) -> None:
    assert origin_of(claimed(host=host), "10.0.0.1", "http", TRUSTED).host == believed


def test_http_1_0_may_name_no_host() -> None:
    assert origin_of({}, "192.0.2.7", "http", []).lines == lines("192.0.2.7", "http", "")


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("fd12::1", True),
        ("11.0.0.1", False),
        ("::ffff:11.0.0.1", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_is_in(address: str, *, inside: bool) -> None:
    """An IPv4 client on a dual-stack socket is known by its mapped address."""
    assert is_in(address, TRUSTED) is inside


@given(st.binary(max_size=40), st.binary(max_size=10), st.binary(max_size=10))
def test_nothing_but_addresses_and_names_travels_on(
    chain: bytes, proto: bytes, host: bytes
) -> None:
    """Whatever a trusted proxy lets through, what is sent on is well-formed."""
    origin = origin_of(claimed(chain, proto, host), "10.0.0.1", "http", TRUSTED)
    assert origin.lines.count(b"\r\n") == 3
    ipaddress.ip_address(origin.address)
    assert set(origin.lines) <= {*b"\r\n", *range(0x20, 0x7F)}
    assert "%" not in origin.address
