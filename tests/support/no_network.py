"""Refuses connections and look-ups that would leave the machine, for tests that must not need any.

Python's audit events show them, whichever library makes them; a loop of libuv's (uvloop) and child
processes go unseen.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


class NetworkUsedError(Exception):
    """A test reached for the network."""


class _Ban:
    """Whether the ban is in force, and what it has refused: an audit hook is never removed."""

    def __init__(self) -> None:
        self.hooked = False
        self.refused: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.refused is None:
            return
        if event in _LOOK_UPS:
            host = arguments[0]
        elif event in _SENDS and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        if not _is_local(host, is_look_up=event in _LOOK_UPS):
            self.refused.append(f"{event}: {host!r}")
            raise NetworkUsedError(self.refused[-1])


_BAN = _Ban()


@contextmanager
def no_network() -> Iterator[list[str]]:
    """Refuse whatever leaves the machine meanwhile; yields what was refused."""
    if not _BAN.hooked:
        sys.addaudithook(_BAN)
        _BAN.hooked = True
    before, _BAN.refused = _BAN.refused, []
    try:
        yield _BAN.refused
    finally:
        _BAN.refused = before


def _is_local(host: object, *, is_look_up: bool) -> bool:
    """Whether that is this machine, or for a look-up an address that needs none."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(name))
    except ValueError:
        return False
    return is_look_up or address.is_loopback or address.is_unspecified
