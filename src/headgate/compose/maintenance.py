"""Wires what carries the wishes of operators to the upstreams of one worker."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

from headgate import __version__
from headgate.config import AuthMode, Config
from headgate.control.api import MaintenanceFacts, StoreThread
from headgate.events import Emit
from headgate.maintenance import Directive
from headgate.runtime.gate import LiveGate
from headgate.runtime.maintenance import (
    GateFollower,
    GateName,
    OwnMaintenanceStore,
    WorkerMaintenance,
)
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.worker import Companion
from headgate.stores import open_maintenance_store
from headgate.stores.maintenance import MaintenanceStore


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What one worker does about maintenance.

    Attributes:
        facts: what the admin API works with.
        companions: endless coroutines to run beside the worker.
    """

    facts: MaintenanceFacts
    companions: list[Companion]


def maintenance(
    config: Config,
    memory: MaintenanceMemory,
    gate: LiveGate,
    worker: int,
    listening: socket.socket,
    stack: contextlib.ExitStack,
    emit: Emit,
) -> Maintenance:
    """Read what is asked of upstreams before the first request, and keep up with it.

    ``stack`` ends it.
    """
    own = WorkerMaintenance(memory, worker)
    stack.callback(own.end)
    name = GateName(_name(listening), __version__)
    companions: list[Companion] = []

    def open_store() -> MaintenanceStore:
        return open_maintenance_store(config)

    if config.auth.mode is AuthMode.KEYS:
        follower = GateFollower(own, open_store, name, time.monotonic, emit)
        follower.load()
        companions.append(follower.run)
        store = StoreThread(open_store)
    else:
        store = StoreThread[MaintenanceStore](lambda: OwnMaintenanceStore(memory, name))
    stack.callback(store.close)
    own.follow(lambda: gate.balancers)
    gate.on_tick(own.look)
    gate.on_configured(lambda _: own.look())
    facts = MaintenanceFacts(
        store,
        memory.gate_id,
        lambda: [each.name for each in gate.upstreams],
        lambda directive: _put(memory, directive),
        own.look,
    )
    return Maintenance(facts, companions)


def _put(memory: MaintenanceMemory, directive: Directive) -> None:
    memory.put(directive)


def _name(listening: socket.socket) -> str:
    """Where the gate is, for a person."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{socket.gethostname()} {shown}:{port}"
