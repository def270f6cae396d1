"""The proxies of one benchmark, running side by side, and the server behind them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import HOST, Running, fill, launched, placed
from bench.peers.order import Order, TokenIssuer
from bench.peers.programs import Program, new_key
from bench.setting import Setting
from tests.support.certificates import Certificate
from tests.support.nginx import nginx_program
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

    It is an nginx too, which costs the machine next to nothing.
    """
    folder = setting.folder / "sink"
    folder.mkdir()
    ports = Sink(free_port(), free_port())
    body = _JSON % ("x" * 1010)
    file = fill("sink.conf", folder, alike=ports.alike, varied=ports.varied, body=body)
    command = [str(nginx_program()), "-p", str(folder), "-e", f"{folder}/error.log"]
    command += ["-c", str(file)]
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
    certificate: Certificate | None = None,
    issuer: TokenIssuer | None = None,
    under: Sequence[str] = (),
) -> Iterator[Subject]:
    """Run one proxy in front of ``upstream_port``, in a new ``folder``.

    It has a core to itself, unless it is to run ``anywhere``; the rest is as in ``Order``.
    """
    folder.mkdir(parents=True)
    key = new_key(folder)
    order = Order(folder, f"{HOST}:{upstream_port}", key, workers, certificate, issuer, under)
    with contextlib.ExitStack() as stack:
        with placed(setting.cores if anywhere else setting.proxy_cores):
            started = stack.enter_context(program.start(order))
        yield Subject(program.name, started, key)


@contextmanager
def all_running(
    setting: Setting,
    programs: Sequence[Program],
    folder: Path,
    upstream_port: int,
    *,
    certificate: Certificate | None = None,
    issuer: TokenIssuer | None = None,
) -> Iterator[list[Subject]]:
    """Run each of ``programs`` in front of ``upstream_port``, in folders under ``folder``."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                running(
                    setting,
                    program,
                    folder / program.name,
                    upstream_port,
                    certificate=certificate,
                    issuer=issuer,
                )
            )
            for program in programs
        ]
