"""Wires the creates of one worker: in the memory of the gate, and in the store of all gates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headgate.config import AuthMode, Config
from headgate.creates import CreateTable
from headgate.events import Emit
from headgate.runtime.creates_memory import CreatesMemory
from headgate.runtime.shared_creates import StoreCreates
from headgate.runtime.worker import Companion
from headgate.stores import open_create_store
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import CREATES_UNSHARED


@dataclass(frozen=True, slots=True)
class Creates:
    """What one worker remembers of creates.

    Attributes:
        table: in the memory of the gate; ``None``: too many processes use that.
        shared: in the store; ``None``: there is no store.
        companions: endless coroutines to run beside the worker.
    """

    table: CreateTable | None
    shared: StoreCreates | None = None
    companions: Sequence[Companion] = ()


def creates(
    config: Config,
    memory: CreatesMemory,
    row: CounterRow,
    in_force: Callable[[], Config],
    emit: Emit,
) -> Creates:
    """What this worker remembers; ``in_force`` says by which configuration."""
    table = memory.table()
    if table is None or config.auth.mode is AuthMode.NONE:
        return Creates(table)
    known = table

    def timeout() -> float | None:
        upstreams = in_force().upstreams.values()
        shared = [each.creates for each in upstreams if each.creates.across_gates]
        return max((each.store_timeout for each in shared), default=None)

    shared = StoreCreates(
        memory.name_of(known),
        lambda: open_create_store(config),
        lambda process: memory.is_gone(known, process),
        time.monotonic,
        emit,
        lambda reason: row.add(CREATES_UNSHARED, reason),
        timeout,
    )
    return Creates(table, shared, [shared.run])
