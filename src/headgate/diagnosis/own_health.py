"""Asks the operators' listener of a gate on this machine whether the gate works.

A container's health check runs this every few seconds on a share of a processor, so it needs
nothing but a socket.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.errors import HeadgateError
from headgate.setting_sources import ops_listen, ops_wants_proxy_header

LIVE: Final = "/livez"
READY: Final = "/readyz"
_WORDS: Final = {LIVE: b"ok", READY: b"ready"}
"""What a gate responds with; another program at the same address does not."""
_LOOPBACK: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared
_LONGEST: Final = 16 * 1024  # bytes of the response
_OWN_HEADER: Final = b"PROXY UNKNOWN\r\n"
"""The PROXY header of one who asks for nobody else (proxy-protocol.txt, section 2.1)."""
_UNLISTED: Final = "closed the connection: add the address of this machine to ops.proxy_protocol"
SECONDS: Final = 3.0
"""How long the response may take."""


@dataclass(frozen=True, slots=True)
class OwnHealth:
    """What the listener said: whether that is well, and in words."""

    ok: bool
    seen: str


def examine(
    config: Path | None,
    environment: Mapping[str, str],
    page: str = LIVE,
    seconds: float = SECONDS,
) -> OwnHealth:
    """Ask the gate of a configuration; what keeps it from being asked is not well, either.

    Args:
        config: the gate's configuration file.
        environment: the gate's environment, which overrides the file.
        page: ``LIVE`` or ``READY``.
        seconds: how long the whole may take.
    """
    try:
        host, port = address_of(ops_listen(config, environment))
        proxied = ops_wants_proxy_header(config, environment)
    except HeadgateError as error:
        return OwnHealth(False, str(error))
    return ask(host, port, page, seconds, proxied=proxied)


def address_of(listen: str) -> tuple[str, int]:
    """Host and port at which this machine reaches the listener of the setting ``ops.listen``.

    Raises:
        HeadgateError: there is no such listener, or its port is not known.
    """
    if not listen:
        raise HeadgateError("ops.listen is empty: the gate has no operators' listener to ask")
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise HeadgateError(f"ops.listen: {listen!r} is not HOST:PORT")
    if int(port) == 0:
        raise HeadgateError(
            "ops.listen has port 0, any free port, so which one it is cannot be known here; set one"
        )
    return _LOOPBACK.get(host, host), int(port)


def ask(host: str, port: int, page: str, seconds: float, *, proxied: bool = False) -> OwnHealth:
    """Ask for ``LIVE`` or ``READY``; the whole takes at most ``seconds``.

    ``proxied``: the listener requires a PROXY header.
    """
    where = f"http://[{host}]:{port}{page}" if ":" in host else f"http://{host}:{port}{page}"
    try:
        response = _exchange(host, port, page, time.monotonic() + seconds, proxied=proxied)
    except TimeoutError:
        return OwnHealth(False, f"{where} has not responded within {seconds:g} s")
    except OSError as error:
        if not (proxied and isinstance(error, ConnectionResetError | BrokenPipeError)):
            why = (error.strerror or str(error)).lower()
            return OwnHealth(False, f"{where} cannot be reached: {why}")
        response = b""
    if proxied and not response:
        return OwnHealth(False, f"{where} {_UNLISTED}")
    head, _, body = response.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2] or [b""]
    word = body.strip()
    if status[0] == b"200" and word == _WORDS[page]:
        return OwnHealth(True, word.decode())
    if status[0] == b"503" and word.isalpha():
        return OwnHealth(False, f"{where} responded with 503: {word.decode()}")
    return OwnHealth(False, f"{where} did not respond as a gate does: which program is it?")


def _exchange(host: str, port: int, page: str, deadline: float, *, proxied: bool) -> bytes:
    name = f"[{host}]" if ":" in host else host
    request = f"GET {page} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, port), _left(deadline)) as connection:
        connection.sendall((_OWN_HEADER if proxied else b"") + request.encode("ascii"))
        response = b""
        while len(response) < _LONGEST and not _is_whole(response):
            connection.settimeout(_left(deadline))
            part = connection.recv(_LONGEST)
            if not part:
                break
            response += part
    return response


def _is_whole(response: bytes) -> bool:
    head, end, body = response.partition(b"\r\n\r\n")
    length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0].strip()
    return bool(end) and length.isdigit() and len(body) >= int(length)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
