"""moto's server, which stands in for AWS: one at a time, empty when it starts and when it ends.

All servers of moto in a process have one memory, which outlives them.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer

_MEMORY: Final = threading.Lock()
"""Held by who has moto's memory: global, as that is."""


@contextlib.contextmanager
def running_moto() -> Iterator[tuple[str, int]]:
    """Run moto until the block ends; its host and port.

    Raises:
        RuntimeError: one runs already in this process.
    """
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second of CPU, needed by few

    if not _MEMORY.acquire(blocking=False):
        raise RuntimeError(
            "moto runs in this process already, and two would share one memory: end that one first"
        )
    try:
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        try:
            host, port = moto.get_host_and_port()
            _forget_everything(host, port)
            yield host, port
        finally:
            _stop(moto)
    finally:
        _MEMORY.release()


def _forget_everything(host: str, port: int) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("POST", "/moto-api/reset")
        response = connection.getresponse()
        response.read()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"moto did not forget what it held: status {response.status}")
    finally:
        connection.close()


def _stop(moto: ThreadedMotoServer) -> None:
    """Empty moto and stop it, and close the socket that it leaves open."""
    server = moto._server
    try:
        _forget_everything(*moto.get_host_and_port())
    finally:
        moto.stop()
        if server is not None:
            server.server_close()
