"""Stands for an OpenTelemetry collector that takes everything immediately, at next to no cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import fill, launched, placed
from bench.setting import Setting
from tests.support.nginx import nginx_program
from tests.support.ports import free_port


@dataclass(frozen=True)
class Collector:
    """Where it listens, and a file with a line for each request."""

    port: int
    log: Path

    def traces(self) -> int:
        """How many exports of traces it was sent."""
        return self._count("/v1/traces")

    def metrics(self) -> int:
        """How many exports of metrics it was sent."""
        return self._count("/v1/metrics")

    def _count(self, path: str) -> int:
        return self.log.read_text(encoding="utf-8").splitlines().count(path)


@contextmanager
def collector(setting: Setting) -> Iterator[Collector]:
    """Run it: an nginx that reads what it is sent, and responds with 200."""
    folder = setting.folder / "collector"
    folder.mkdir()
    port = free_port()
    file = fill("collector.conf", folder, port=port)
    command = [str(nginx_program()), "-p", str(folder), "-e", f"{folder}/error.log"]
    command += ["-c", str(file)]
    with placed(setting.other_cores), launched(command, folder, "collector", port):
        yield Collector(port, folder / "access.log")
