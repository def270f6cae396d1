"""Gates of one address, one after the other."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.gate import bearer, create_key
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

START_SECONDS = 60.0
STOP_SECONDS = 60.0
COMMAND = (sys.executable, "-m", "headgate", "serve")


@dataclass
class Gates:
    """The gates of one address, one after the other."""

    folder: Path
    settings: dict[str, str]
    stack: contextlib.ExitStack
    port: int = field(default_factory=free_port)
    count: int = 0
    host: str = "127.0.0.1"
    command: Sequence[str] = COMMAND

    @property
    def data(self) -> Path:
        """The data folder that they share."""
        return self.folder / "data"

    @property
    def address(self) -> str:
        """Where they listen."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def launch(self, *options: str, **settings: str) -> ServerProcess:
        """Start a gate, and do not wait for it."""
        self.count += 1
        listen = ["--listen", self.address] if "--listen" not in options else []
        environment = self.settings | {
            name if name.isupper() else f"HEADGATE_{name.upper()}": value
            for name, value in settings.items()
        }
        return self.stack.enter_context(
            ServerProcess(
                [*self.command, *listen, *options], environment, self.folder, f"gate{self.count}"
            )
        )

    def start(self, workers: int = 1, *options: str, **settings: str) -> ServerProcess:
        """Start a gate, and wait until it serves."""
        gate = self.launch(*options, listen__workers=str(workers), **settings)
        gate.wait_for_line("listening on ", START_SECONDS)
        return gate

    def replace(self, old: ServerProcess, workers: int = 1, **settings: str) -> ServerProcess:
        """Let a new gate take over, and wait until the old one has accepted its last."""
        new = self.start(workers, "--take-over", **settings)
        event(old, "handed_over")
        return new

    def status(self, target: str = "/-/livez", key: str | None = None) -> int:
        """What a new connection gets."""
        fields = {} if key is None else dict([bearer(key).split(": ", 1)])
        with contextlib.closing(
            http.client.HTTPConnection(self.host, self.port, timeout=30)
        ) as connection:
            connection.request("GET", target, headers=fields)
            return connection.getresponse().status


def events(gate: ServerProcess, name: str) -> list[dict[str, Any]]:
    """All events of that name so far."""
    lines = gate.errors.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(each) for each in lines if each[:1] == "{" and each.endswith("\n")]
    return [each for each in found if each["event"] == name]


def event(gate: ServerProcess, name: str) -> dict[str, Any]:
    """The first event of that name, once it is there."""
    return gate.wait_until(lambda: next(iter(events(gate, name)), None), name, START_SECONDS)


def refusal(gate: ServerProcess) -> str:
    """The one line that a gate ends with that could not take over."""
    assert gate.wait(START_SECONDS) != 0
    text = gate.errors.read_text(encoding="utf-8")
    assert "Traceback" not in text
    return [each for each in text.splitlines() if each[:1] != "{"][-1]


def serves(gates: Gates) -> None:
    """Whichever gate it is, a new client is served."""
    for _ in range(8):
        assert gates.status() == 200


@contextlib.contextmanager
def successive_gates(folder: Path, upstream: str) -> Iterator[Gates]:
    """Gates in front of ``upstream``; all that are started end with the block."""
    create_key(folder / "data", "somebody")
    settings = {
        "HEADGATE_DATA": str(folder / "data"),
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "0",
        "MLFLOW_SERVER_URL": upstream,
    }
    with contextlib.ExitStack() as stack:
        yield Gates(folder, settings, stack)
