"""Tells the service manager, such as systemd, how the gate is: sd_notify(3) without a library.

The manager names a datagram socket in ``NOTIFY_SOCKET``.  Whatever goes wrong with it is ignored:
the gate serves clients, whether or not its manager listens.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Final

NOTIFY_SOCKET: Final = "NOTIFY_SOCKET"
WATCHDOG_USEC: Final = "WATCHDOG_USEC"
WATCHDOG_PID: Final = "WATCHDOG_PID"
MARGIN_SECONDS: Final = 5.0
"""What the manager grants beyond the time after which the gate kills its workers itself."""
BEATING_SECONDS: Final = 3.0
"""A worker whose last heartbeat is older says nothing for the gate.  A watchdog that is due waits
for the next heartbeat, so that a short pause of the loop costs nothing."""
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Watched:
    """How a gate tells its service manager, for the gate that takes over.

    ``watchdog_usec``: microseconds as in ``WATCHDOG_USEC``; 0: no watchdog.
    """

    address: str
    watchdog_usec: int


class ServiceManager:
    """What the supervisor tells the service manager.

    Args:
        address: of the manager's socket, ``@`` first for an abstract one; ``None``: no manager
            wants to know.
        watchdog: seconds after which the manager ends a gate that says nothing; infinite: never.
        clock: seconds on the monotonic clock of the system (``CLOCK_MONOTONIC``).
    """

    def __init__(
        self,
        address: str | None = None,
        watchdog: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._watchdog = watchdog
        self._pause = watchdog / 2  # what sd_watchdog_enabled(3) recommends
        self._clock = clock
        self._due = -math.inf if math.isfinite(watchdog) else math.inf
        self._announced = False
        self._stopping = False
        self._reloading: set[int] | None = None
        self._told_reloading = False
        self._refused = ""
        self._status = ""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> ServiceManager:
        """The one that the environment names.

        The variables are removed: programs that the gate starts are not the gate.
        """
        address = environment.pop(NOTIFY_SOCKET, "") or None
        microseconds = environment.pop(WATCHDOG_USEC, "")
        pid = environment.pop(WATCHDOG_PID, str(os.getpid()))
        watchdog = math.inf
        if pid == str(os.getpid()) and microseconds.isascii() and microseconds.isdigit():
            watchdog = int(microseconds) / _MICROSECONDS or math.inf
        return cls(address, watchdog)

    @property
    def watched(self) -> Watched | None:
        """How to tell the manager; ``None``: none wants to know."""
        if self._address is None:
            return None
        seconds = self._watchdog if math.isfinite(self._watchdog) else 0.0
        return Watched(self._address, int(seconds * _MICROSECONDS))

    def taken_over(self, watched: Watched | None) -> ServiceManager:
        """The manager of the gate before, or this one if that gate had none."""
        if watched is None:
            return self
        seconds = watched.watchdog_usec / _MICROSECONDS or math.inf
        return ServiceManager(watched.address, seconds, self._clock)

    def handed_over(self, pid: int) -> None:
        """Process ``pid`` is the gate from now on: this one says no more."""
        self._send(f"MAINPID={pid}", self._new_status(f"process {pid} has taken over"))
        self._address, self._due = None, math.inf

    # --- starting and stopping -------------------------------------------------------------

    def ready(self, workers: int) -> None:
        """All workers serve."""
        self._announced = True
        self._send("READY=1", self._new_status(f"{workers} worker(s) serve"))

    def stopping(self, patience: float) -> None:
        """The gate stops within ``patience`` seconds."""
        self._stopping = True
        self._reloading = None
        self._send(
            "STOPPING=1",
            f"EXTEND_TIMEOUT_USEC={math.ceil((patience + MARGIN_SECONDS) * _MICROSECONDS)}",
            self._new_status(f"stops: requests in progress have up to {patience:g} s"),
        )

    # --- reloading -------------------------------------------------------------------------

    def await_reload(self, workers: Iterable[int]) -> None:
        """Those workers, by process id, are about to read the configuration again.

        Nothing is sent: a signal handler may call it.
        """
        if self._announced and not self._stopping:
            self._reloading, self._told_reloading, self._refused = set(workers), False, ""

    def reloading(self) -> None:
        """Tell what ``await_reload`` noted."""
        if self._reloading is not None and not self._told_reloading:
            self._told_reloading = True
            microseconds = int(self._clock() * _MICROSECONDS)
            self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}", self._new_status("reloads"))
            self._end_reload()

    def reloaded(self, worker: int, refused: str = "") -> None:
        """A worker has read the configuration again, or has ended.

        ``refused``: why what it has read is not in force.
        """
        if self._reloading is not None:
            self._reloading.discard(worker)
            self._refused = refused or self._refused
            self._end_reload()

    def _end_reload(self) -> None:
        if self._told_reloading and self._reloading is not None and not self._reloading:
            self._reloading = None
            result = f"reload refused: {self._refused}" if self._refused else "reloaded"
            self._send("READY=1", self._new_status(result))

    # --- periodic --------------------------------------------------------------------------

    def look(self, serving: int, beating: int, workers: int) -> None:
        """How many of the ``workers`` serve, and how many of those have a fresh heartbeat.

        To be called about twice a second.  The watchdog hears from it while a worker is alive: the
        supervisor replaces those that hang, and a restart of the gate would cut off the requests
        of the others.  While the gate stops it hears that the supervisor, which ends it, lives.
        """
        if not self._announced:
            status = f"starts: {serving} of {workers} worker(s) serve; the others look for MLflow"
            self._tell_status(status)
            return
        if serving < workers and not self._stopping:
            self._tell_status(f"{serving} of {workers} worker(s) serve; the others are replaced")
        elif self._status.endswith("are replaced"):
            self._tell_status(f"{workers} worker(s) serve")
        now = self._clock()
        if self._due <= now and (beating or self._stopping):
            self._due = now + self._pause
            self._send("WATCHDOG=1")

    def _tell_status(self, status: str) -> None:
        if status != self._status:
            self._send(self._new_status(status))

    def _new_status(self, status: str) -> str:
        self._status = " ".join(status.split())  # one line: each further one is another variable
        return f"STATUS={self._status}"

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        message = "\n".join(assignments).encode(errors="replace")
        with (
            contextlib.suppress(OSError, ValueError),  # such as one that is gone, or full
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(message, address)
