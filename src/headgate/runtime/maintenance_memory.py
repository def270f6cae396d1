"""What the processes of one gate know of maintenance, in memory that outlives each of them.

There are the directives of all upstreams, a row of each worker with what it does about them, and a
row with what the workers of other gates do, as the store has it.
The memory is made before workers are forked, so a worker that replaces another finds upstreams
parked before it serves its first request, whatever has become of the store.

Locks are record locks of the files in memory: the kernel gives them back when their process ends.

The directives are passed on to a gate that takes over: it finds upstreams parked before its first
request, and for as long as both gates run, both follow the same ones.  The rows are each gate's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import mmap
import os
import secrets
import string
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from headgate.maintenance import Directive, ParkState, Sharing, Standing, merged
from headgate.maintenance.documents import directive_document, read_directive
from headgate.runtime.lasting_memory import LastingMemory
from headgate.runtime.link import memory_file
from headgate.runtime.shared_block import SharedBlock, block_bytes

NAME: Final = "directives-1"
"""Of the memory with the directives; the number is that of what is written there."""
DIRECTIVES_BYTES: Final = 1024 * 1024
ROW_BYTES: Final = 128 * 1024
"""Of address space: what is never written takes no memory."""
_WRITERS: Final = 0
_FOLLOWER: Final = 1
_STARTING: Final = "starting"
_ALPHABET: Final = string.digits + string.ascii_letters


def new_gate_id() -> str:
    """An id that no other gate has."""
    return "g_" + "".join(secrets.choice(_ALPHABET) for _ in range(8))


class MaintenanceMemory:
    """Made before the workers are forked.

    Args:
        workers: how many there are.
        memory: of the gate; by default the directives are lost with the gate.

    Attributes:
        gate_id: drawn at random, the same in all processes of the gate.
        workers: how many there are.
    """

    def __init__(self, workers: int, memory: LastingMemory | None = None) -> None:
        lasting = LastingMemory() if memory is None else memory
        self.gate_id = new_gate_id()
        self.workers = workers
        shared = memoryview(lasting.mapped(NAME, block_bytes(DIRECTIVES_BYTES)))
        self._directives_file = lasting.files()[NAME]
        self._directives = SharedBlock(shared, DIRECTIVES_BYTES)
        self._file = memory_file("maintenance")
        row = block_bytes(ROW_BYTES)
        os.ftruncate(self._file, (workers + 1) * row)
        rows = memoryview(mmap.mmap(self._file, (workers + 1) * row))
        *self._rows, self._others = [
            SharedBlock(rows[number * row : (number + 1) * row], ROW_BYTES)
            for number in range(workers + 1)
        ]
        self._heard = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")
        self._heard[0] = -math.inf
        self._lock = threading.Lock()

    # --- directives ------------------------------------------------------------------------

    @property
    def changes(self) -> int:
        """A number that grows with each change; 0: nobody has read the store yet."""
        return self._directives.number

    def directives(self) -> Mapping[str, Directive]:
        """What is asked of each upstream, by its name."""
        return self._read()

    def follow(self, found: Mapping[str, Directive], since: int) -> bool:
        """Take over what the store has; whether something has changed.

        Args:
            found: what was read there.
            since: ``changes`` before it was read.  If it has grown since, what was found may be
                older than what is here, and nothing is done.
        """
        with self._writing():
            if self.changes != since:
                return False
            if since != 0 and self._read() == dict(found):
                return False
            self._write(found.values())
            return True

    def put(self, directive: Directive, before: int | None = None) -> bool:
        """Take over one directive that was just made; whether that was done.

        Args:
            directive: it counts only if it is later than what is here.
            before: the revision that must be here; ``None``: any earlier one.
        """
        with self._writing():
            found = self._read()
            there = found.get(directive.upstream)
            revision = 0 if there is None else there.revision
            if before is not None and revision != before:
                return False
            if directive.revision <= revision:
                return False
            self._write({**found, directive.upstream: directive}.values())
            return True

    def _read(self) -> dict[str, Directive]:
        _, text = self._directives.read()
        found = map(read_directive, json.loads(text)) if text else ()
        return {each.upstream: each for each in found}

    def _write(self, directives: Iterable[Directive]) -> None:
        self._directives.write(json.dumps([*map(directive_document, directives)]).encode())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Of all threads of all processes, one at a time."""
        with self._lock:
            fcntl.lockf(self._directives_file, fcntl.LOCK_EX, 1, _WRITERS)
            try:
                yield
            finally:
                fcntl.lockf(self._directives_file, fcntl.LOCK_UN, 1, _WRITERS)

    def lead(self) -> bool:
        """Whether this process is the one that follows the store, which it stays until it ends."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FOLLOWER)
        except OSError:
            return False
        return True

    @property
    def heard_at(self) -> float:
        """When the store has last heard of this gate, and was read after that; ``-inf``: never.

        Until then a park waited for it, or else the gate would know of it.
        """
        return self._heard[0]

    def heard(self, at: float) -> None:
        """The store has heard of this gate, at that time of the clock, and was read since."""
        self._heard[0] = at

    # --- workers ---------------------------------------------------------------------------

    def start(self, worker: int) -> None:
        """A worker starts: until it says what it follows, it counts as one that follows nothing."""
        self._rows[worker].write(json.dumps(_STARTING).encode())

    def set(self, worker: int, standings: Mapping[str, Standing]) -> None:
        """Say how each upstream stands in a worker."""
        self._rows[worker].write(json.dumps(standings).encode())

    def end(self, worker: int) -> None:
        """A worker has ended: nothing more goes through it."""
        if self._rows[worker].read()[1]:
            self._rows[worker].write(b"")

    @property
    def is_empty(self) -> bool:
        """Whether no worker is there."""
        return not any(row.read()[1] for row in self._rows)

    def set_others(self, others: Mapping[str, Sharing]) -> None:
        """Say who shares each upstream in other gates; one process does."""
        text = json.dumps({name: (each.workers, each.waiting) for name, each in others.items()})
        if self._others.read()[1] != text.encode():
            self._others.write(text.encode())

    def sharing(self, worker: int, upstream: str) -> Sharing:
        """Who shares an upstream with a worker, in this gate and in others."""
        others = self._others.read()[1]
        workers, waiting = json.loads(others).get(upstream, (0, 0)) if others else (0, 0)
        for number, row in enumerate(self._rows):
            standing = None if number == worker else _said(row.read()[1]).get(upstream)
            waiting += 0 if standing is None else standing.waiting
        return Sharing(self.workers + workers, waiting)

    def standings(self) -> Mapping[str, Standing]:
        """How each upstream stands in all workers together."""
        rows = [json.loads(text) for row in self._rows if (text := row.read()[1])]
        parts: dict[str, list[Standing]] = {}
        for row in rows:
            if row != _STARTING:
                for name, values in row.items():
                    parts.setdefault(name, []).append(_standing(*values))
        if _STARTING in rows:
            for each in parts.values():
                each.append(Standing(0, ParkState.SERVING, 0, 0))
        return {name: merged(each) for name, each in parts.items()}


def _said(text: bytes) -> Mapping[str, Standing]:
    """What a row says; nothing of a worker that starts, or is not there."""
    found = json.loads(text) if text else {}
    if found == _STARTING:
        return {}
    return {name: _standing(*each) for name, each in found.items()}


def _standing(revision: int, state: str, in_flight: int, waiting: int, writing: int) -> Standing:
    return Standing(revision, ParkState(state), in_flight, waiting, writing)
