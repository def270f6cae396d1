"""The proxies of one benchmark, running side by side, and the server behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import HOST, Running, fill, launched, placed
from bench.peers.programs import Order, Program, new_key
from bench.setting import CannotMeasureError, Setting
from tests.support import debian
from tests.support.ports import free_port

_JSON = '{\\"data\\": \\"%s\\"}'


@dataclass(frozen=True)
class Subject:
    """A proxy that runs, and a key that it lets in."""

    name: str
    running: Running
    key: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.running.port

    @property
    def session(self) -> int:
        """The session of all its processes."""
        return self.running.session


@dataclass(frozen=True)
class Sink:
    """The upstream server of the proxies; ``varied`` adds a unique field to each response."""

    alike: int
    varied: int


@contextmanager
def sink(setting: Setting) -> Iterator[Sink]:
    """Run the upstream server for small requests.

    Raises:
        CannotMeasureError: there is no nginx to do it.
    """
    if not debian.NGINX.is_installed:
        raise CannotMeasureError(f"needs nginx: apt-get install {debian.NGINX.name}")
    folder = setting.folder / "sink"
    folder.mkdir()
    ports = Sink(free_port(), free_port())
    body = _JSON % ("x" * 1010)
    file = fill("sink.conf", folder, alike=ports.alike, varied=ports.varied, body=body)
    command = [str(debian.NGINX.program), "-e", f"{folder}/error.log", "-c", str(file)]
    with placed(setting.other_cores), launched(command, folder, "sink", ports.varied):
        yield ports


@contextmanager
def running(
    setting: Setting,
    program: Program,
    folder: Path,
    upstream_port: int,
    *,
    workers: int = 1,
    anywhere: bool = False,
) -> Iterator[Subject]:
    """Run one proxy in front of ``upstream_port``, in a new ``folder``.

    It has a core to itself, unless it is to run ``anywhere``.
    """
    folder.mkdir(parents=True)
    key = new_key(folder)
    order = Order(folder, f"{HOST}:{upstream_port}", key, workers)
    with contextlib.ExitStack() as stack:
        with placed(setting.cores if anywhere else setting.proxy_cores):
            started = stack.enter_context(program.start(order))
        yield Subject(program.name, started, key)


@contextmanager
def all_running(
    setting: Setting, programs: Sequence[Program], folder: Path, upstream_port: int
) -> Iterator[list[Subject]]:
    """Run each of ``programs`` in front of ``upstream_port``, in folders under ``folder``."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running(setting, program, folder / program.name, upstream_port))
            for program in programs
        ]
