"""Starts one program for a benchmark, from a template of its configuration."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ServerProcess

HOST = "127.0.0.1"
START_SECONDS = 20.0
SLOWER = 20
"""How many times as long a program may take to start that another one runs, such as valgrind."""
_PLACE = re.compile(r"@([a-z]+)@")


@dataclass(frozen=True)
class Running:
    """A program that accepts connections at ``port`` of this machine."""

    port: int
    process: ServerProcess

    @property
    def session(self) -> int:
        """The session of all its processes."""
        return self.process.pid


def fill(name: str, folder: Path, **values: object) -> Path:
    """Write the template ``name``, with ``values`` for each ``@place@``, into ``folder``.

    Raises:
        KeyError: the template has a place without a value.
    """
    template = (Path(__file__).parent / name).read_text(encoding="utf-8")
    known = {"folder": folder, **values}
    file = folder / name
    file.write_text(_PLACE.sub(lambda place: str(known[place[1]]), template), encoding="utf-8")
    return file


@contextmanager
def launched(
    command: Sequence[str],
    folder: Path,
    name: str,
    port: int,
    environment: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Running]:
    """Run ``command`` until the block ends; the block begins when ``port`` accepts connections.

    ``under``: a command that is to run it.
    """
    seconds = START_SECONDS * (SLOWER if under else 1)
    with ServerProcess([*under, *command], environment or {}, folder, name) as process:
        process.wait_until(lambda: _accepts(port), f"an open port {port}", seconds)
        yield Running(port, process)


def _accepts(port: int) -> bool | None:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return None
    return True


@contextmanager
def placed(cores: Sequence[int]) -> Iterator[None]:
    """Let what is started in the block run on ``cores`` alone; with none of them, anywhere."""
    before = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
