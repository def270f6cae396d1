"""Wires the hand-over of a gate: from the one before, and to the next one."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headgate import __version__
from headgate.config import AuthMode, Config
from headgate.errors import HeadgateError
from headgate.events import Emit, HandedOver, HandOverUnavailable, TakenOver
from headgate.model import Endpoint
from headgate.runtime import listener
from headgate.runtime.accept_signal import AcceptSignal
from headgate.runtime.gate_state import GateState
from headgate.runtime.handover import ANSWERS, ISSUERS
from headgate.runtime.kept_keys import KIND as KEYS
from headgate.runtime.lasting_memory import LastingMemory
from headgate.runtime.link import Kept
from headgate.runtime.listeners import Listeners
from headgate.runtime.maintenance_memory import NAME as DIRECTIVES
from headgate.runtime.ops_listener import OpsSockets
from headgate.runtime.service_manager import ServiceManager
from headgate.runtime.supervisor import Supervisor
from headgate.runtime.takeover import CLIENTS, KEPT, LOCK, MEMORY, OPS, Passed, Predecessor
from headgate.runtime.takeover_offer import HandOverListener
from headgate.runtime.takeover_place import Place
from headgate.stores import gate_folder, identity_store_location, own_folder

CLOSING_SECONDS: Final = 15.0
"""More than a worker needs, once its requests are over, to write its logs and end."""
_KEPT: Final = frozenset({KEYS, ISSUERS, ANSWERS})
"""What of that which workers leave to each other the next gate gets too."""


@dataclass(frozen=True, slots=True)
class Before:
    """The gate before, and what it has passed on.

    Attributes:
        gate: the connection to it.
        may_accept: given once all workers of this gate are prepared.
    """

    gate: Predecessor
    may_accept: AcceptSignal

    @property
    def passed(self) -> Passed:
        """What it has passed on."""
        return self.gate.passed

    def finish(self, state: GateState, emit: Emit) -> None:
        """Take over, now that this gate serves.

        Raises:
            HeadgateError: the other one goes on: this one has to leave.
        """
        try:
            is_left = self.gate.finish()
        except HeadgateError:
            state.leave()
            raise
        state.pass_on(passed=False)
        self.gate.close()
        emit(TakenOver(self.passed.pid, self.passed.version, not is_left))


@contextlib.contextmanager
def gate_before(config: Config) -> Iterator[Before]:
    """Ask the gate at the address of ``config`` for its sockets.

    Raises:
        HeadgateError: there is none, or it cannot be taken over from.
    """
    address, scheme = listener.resolved(config.listen.host, config.listen.port), scheme_of(config)
    found = Predecessor.at(own_folder(config), address, version=__version__, scheme=scheme)
    signal = AcceptSignal()
    try:
        yield Before(found, signal)
    finally:
        signal.close()
        found.close()


def kept_of(config: Config, before: Before | None) -> Kept:
    """What the workers of the gate before have left; keys only if they are of the same store."""
    if before is None:
        return Kept()
    files = dict(before.passed.kept)
    if before.passed.store != _store_of(config) and (keys := files.pop(KEYS, None)) is not None:
        os.close(keys)
    return Kept(files)


def memory_of(config: Config, before: Before | None) -> dict[str, int]:
    """The memory of the gate before; what is asked of upstreams only if the store is the same."""
    if before is None:
        return {}
    files = dict(before.passed.memory)
    asked = files.pop(DIRECTIVES, None) if before.passed.store != _store_of(config) else None
    if asked is not None:
        os.close(asked)
    return files


def ops_passed(config: Config, before: Before | None) -> Sequence[socket.socket]:
    """The operators' sockets of the gate before, if this gate is to listen there too."""
    if before is None or not before.passed.ops:
        return ()
    passed, wanted = before.passed.ops, config.ops.address
    if wanted is not None:
        host, port = listener.resolved(*wanted).host, wanted[1]
        found = Endpoint(*passed[0].getsockname()[:2])
        if found.host == host and port in (0, found.port):
            return passed
    for each in passed:
        each.close()
    return ()


class HandOvers:
    """The hand-over of a running gate to the next one.

    Args:
        config: of the gate.
        clients: its sockets.
        ops: its sockets for operators.
        memory: what goes on.
        state: of the gate.
        manager: the service manager, which hears of the next gate.
        emit: takes the events.
        before: the gate that was taken over from.
    """

    def __init__(
        self,
        config: Config,
        clients: Listeners,
        ops: OpsSockets,
        memory: LastingMemory,
        state: GateState,
        manager: ServiceManager,
        emit: Emit,
        before: Before | None,
    ) -> None:
        self._config = config
        self._clients = clients
        self._ops = ops
        self._memory = memory
        self._state = state
        self._manager = manager
        self._emit = emit
        self._supervisor: Supervisor | None = None
        self._listener: HandOverListener | None = None
        self._lock = None if before is None else before.passed.lock

    def open(self, supervisor: Supervisor) -> None:
        """Wait for a gate that takes over, from now on."""
        self._supervisor = supervisor
        config = self._config
        try:
            place = Place(gate_folder(config), self._clients.address)
        except (HeadgateError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._emit(HandOverUnavailable(str(config.data), why))
            return
        self._listener = HandOverListener(place, self, self._emit, time.monotonic, self._lock)
        self._lock = None
        self._listener.open(supervisor)

    def look(self) -> None:
        """To be called twice a second."""
        if self._listener is not None:
            self._listener.look()

    def close_in_worker(self) -> None:
        """Close what a worker has got by the fork."""
        if self._listener is not None:
            self._listener.close_in_worker()
        if self._lock is not None:
            os.close(self._lock)

    def close(self) -> None:
        """The gate has ended."""
        if self._listener is not None:
            self._listener.end()
        if self._lock is not None:
            os.close(self._lock)

    # --- called by the listener: see OfferingGate --------------------------------------------

    def offer(self) -> tuple[list[tuple[str, int]], dict[str, object]]:
        """See ``OfferingGate``."""
        # From here on no worker that ends may shut a socket down.
        self._state.pass_on(passed=True)
        sockets = ((CLIENTS, self._clients), (OPS, self._ops))
        named = [(name, each.fileno()) for name, group in sockets for each in group.to_pass_on()]
        if self._listener is not None and self._listener.lock is not None:
            named.append((LOCK, self._listener.lock))
        named += [(MEMORY + name, file) for name, file in self._memory.files().items()]
        if self._supervisor is not None:
            left = self._supervisor.kept_files()
            named += [(KEPT + kind, file) for kind, file in left.items() if kind in _KEPT]
        fields: dict[str, object] = {
            "version": __version__,
            "scheme": scheme_of(self._config),
            "shared": [name for name, group in sockets if group.is_kept],
            "store": _store_of(self._config),
        }
        if (watched := self._manager.watched) is not None:
            fields |= {"manager": watched.address, "watchdog_usec": watched.watchdog_usec}
        return named, fields

    def withdraw(self) -> None:
        """See ``OfferingGate``."""
        self._state.pass_on(passed=False)

    def left(self, pid: int, version: str) -> None:
        """See ``OfferingGate``."""
        self._state.leave()
        self._manager.handed_over(pid)
        self._emit(HandedOver(pid, version))
        self._clients.close()
        self._ops.close()
        if self._supervisor is not None:
            limits, listen = self._config.limits, self._config.listen
            self._supervisor.leave(
                limits.keepalive_timeout + listen.hand_over_timeout + CLOSING_SECONDS
            )


def scheme_of(config: Config) -> str:
    """What clients of a gate speak."""
    return "http" if config.listen.tls is None else "https"


def _store_of(config: Config) -> str:
    """Which key store the gate has."""
    if config.auth.mode is not AuthMode.KEYS:
        return ""
    return identity_store_location(config)
