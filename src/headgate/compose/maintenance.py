"""Wires what carries the wishes of operators to the upstreams of one worker."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

from headgate import __version__
from headgate.config import AuthMode, Config
from headgate.control.api import MaintenanceFacts, StoreThread
from headgate.errors import HeadgateError
from headgate.events import Emit
from headgate.maintenance import Directive
from headgate.runtime.fence import Fence
from headgate.runtime.gate import LiveGate
from headgate.runtime.gate_marks import GateMarks
from headgate.runtime.gate_report import GateName
from headgate.runtime.kept_directives import KeptDirectives
from headgate.runtime.maintenance_follower import NO_MARKS, MaintenanceFollower
from headgate.runtime.maintenance_memory import MaintenanceMemory
from headgate.runtime.own_maintenance_store import OwnMaintenanceStore
from headgate.runtime.worker import Companion
from headgate.runtime.worker_maintenance import WorkerMaintenance
from headgate.stores import gate_folder, identity_store_location, open_maintenance_store
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
    marks: GateMarks | None = None,
) -> Maintenance:
    """Read what is asked of upstreams before the first request, and keep up with it.

    ``stack`` ends it.  ``marks``: of the gates in the data folder.
    """
    fence = _fence(config, gate, emit)
    own = WorkerMaintenance(memory, worker, fence)
    stack.callback(own.end)
    name = GateName(_name(listening), __version__, (config.auth.fence or 0.0) if fence else 0.0)
    companions: list[Companion] = []

    def open_store() -> MaintenanceStore:
        return open_maintenance_store(config)

    if config.auth.mode is AuthMode.KEYS:
        kept = KeptDirectives(config.data, identity_store_location(config))
        follower = MaintenanceFollower(
            own, open_store, name, time.monotonic, emit, marks or NO_MARKS, kept
        )
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


def _fence(config: Config, gate: LiveGate, emit: Emit) -> Fence | None:
    """What holds requests while no store knows of the gate; ``None``: nothing does."""
    if config.auth.mode is not AuthMode.KEYS or config.auth.fence is None:
        return None

    def cut() -> None:
        for each in gate.balancers:
            gate.plane.cut_writes(each)

    return Fence(config.auth.fence, time.monotonic, time.time, cut, emit)


def gate_marks(config: Config, gate_id: str, stack: contextlib.ExitStack) -> GateMarks | None:
    """Mark this gate in its data folder; ``None``: that is impossible, or there is no store.

    A gate that has no mark and is killed stays registered until an operator removes it.

    To be called before the workers are forked; ``stack`` ends it.
    """
    if config.auth.mode is not AuthMode.KEYS:
        return None
    try:
        marks = GateMarks(gate_folder(config), identity_store_location(config))
        marks.make(gate_id)
    except (HeadgateError, OSError):
        return None
    stack.callback(marks.close)
    return marks


def _put(memory: MaintenanceMemory, directive: Directive) -> None:
    memory.put(directive)


def _name(listening: socket.socket) -> str:
    """Where the gate is, for a person."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{socket.gethostname()} {shown}:{port}"
