"""Marks of gates in their data folder: which of them have ended, as the kernel says.

A gate that is killed cannot take its leave from the store, and a park would wait for it.  Its mark
is a file that its supervisor locks (``flock``) before the workers are forked: the kernel lifts the
lock when the last process of the gate has ended, however it ends.  So a mark without a lock is of a
gate of which nothing is left; the next gate in the folder takes its leave for it.

The lock says so only on the machine that has it, and until that is started anew.  A mark of another
start counts if the machine is the same one: a copy of the folder may be of a gate that runs
elsewhere.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"gate-(g_[0-9A-Za-z]{1,32})\.lock")
_MOST_BYTES: Final = 4096
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_MACHINE: Final = Path("/etc/machine-id")


class Machine(NamedTuple):
    """Where a gate runs.

    Attributes:
        boot: drawn at random when the kernel is started, by the kernel.
        machine: the id of the system, which it keeps; empty: it has none, as in containers.
    """

    boot: str
    machine: str


def this_machine() -> Machine:
    """The one that this process runs on; what cannot be read is empty."""
    return Machine(_first_line(_BOOT), _first_line(_MACHINE))


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


class GateMarks:
    """The marks in one folder.

    Args:
        folder: in which only this user may put files; it need not exist.
        store: where the key store is: a mark counts for the gates of one store.
        machine: where this process runs.
    """

    def __init__(self, folder: Path, store: str, machine: Machine | None = None) -> None:
        self._folder = folder
        self._store = store
        self._machine = this_machine() if machine is None else machine
        self._own: int | None = None

    def make(self, gate_id: str) -> None:
        """Mark this gate; to be called before its workers are forked, which share the lock.

        Raises:
            OSError: that is impossible.
        """
        made = self._folder / f".{gate_id}.{os.getpid()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(made, flags, 0o600)
        try:
            # Nobody may see it without its lock.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(file, json.dumps([self._store, *self._machine]).encode())
            os.rename(made, self._file(gate_id))
        except OSError:
            os.close(file)
            made.unlink(missing_ok=True)
            raise
        self._own = file

    def close(self) -> None:
        """Lift the lock of this process; that of the gate goes with its last one."""
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def ended(self) -> list[str]:
        """The ids of gates of this store of which nothing is left."""
        found = []
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self._folder)):
                named = _NAME.fullmatch(name)
                if named is not None and self._has_ended(named[1]):
                    found.append(named[1])
        return found

    def remove(self, gate_id: str) -> None:
        """Remove the mark of a gate that has left the store."""
        with contextlib.suppress(OSError):
            self._file(gate_id).unlink(missing_ok=True)

    def _file(self, gate_id: str) -> Path:
        return self._folder / f"gate-{gate_id}.lock"

    def _has_ended(self, gate_id: str) -> bool:
        with self._opened(gate_id) as file:
            if file is None:
                return False
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # it runs, or the file system knows no locks
                return False
            return self._counts(os.pread(file, _MOST_BYTES, 0))

    @contextlib.contextmanager
    def _opened(self, gate_id: str) -> Iterator[int | None]:
        try:
            file = os.open(self._file(gate_id), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # another one has removed it
            yield None
            return
        try:
            yield file
        finally:
            os.close(file)

    def _counts(self, content: bytes) -> bool:
        """Whether the lock that is not there was one of this machine."""
        try:
            store, boot, machine = json.loads(content)
        except (ValueError, TypeError):
            return False
        if store != self._store:
            return False
        if boot and boot == self._machine.boot:
            return True
        return bool(machine) and machine == self._machine.machine
