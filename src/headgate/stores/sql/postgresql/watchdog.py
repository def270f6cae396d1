"""A limit on how long a thread waits for a database that does not respond.

A server that is stopped, or a proxy that holds what it was sent, keeps a connection alive: neither
TCP nor the server's own ``statement_timeout`` ends it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading


class Watchdog:
    """Shuts a connection down that is still used after some seconds: what waits for it fails.

    Args:
        descriptor: of the connection's socket.
        seconds: after how many, unless ``end`` is called before.

    Attributes:
        has_fired: whether it took too long.
    """

    def __init__(self, descriptor: int, seconds: float) -> None:
        self.seconds = seconds
        self.has_fired = False
        # A descriptor of its own: the other may be closed meanwhile, and its number used again.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._lock = threading.Lock()
        self._ended = False
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.name = "database-watchdog"
        self._timer.start()

    def end(self) -> None:
        """The connection is no longer used."""
        self._timer.cancel()
        with self._lock:
            self._ended = True
            self._socket.close()

    def _fire(self) -> None:
        with self._lock:
            if self._ended:
                return
            self.has_fired = True
            with contextlib.suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)
