"""A gate that takes over from a running one: no client notices, and no failure leaves a gap."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.gate import create_key
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recording_upstream import RecordingUpstream
from tests.support.traffic import Traffic, slow_mlflow

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

    @property
    def data(self) -> Path:
        """The data folder that they share."""
        return self.folder / "data"

    def launch(self, *options: str, **settings: str) -> ServerProcess:
        """Start a gate, and do not wait for it."""
        self.count += 1
        listen = ["--listen", f"127.0.0.1:{self.port}"] if "--listen" not in options else []
        environment = self.settings | {f"HEADGATE_{k.upper()}": v for k, v in settings.items()}
        return self.stack.enter_context(
            ServerProcess(
                [*COMMAND, *listen, *options], environment, self.folder, f"gate{self.count}"
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

    def status(self, target: str = "/-/livez") -> int:
        """What a new connection gets."""
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        ) as connection:
            connection.request("GET", target)
            return connection.getresponse().status


def events(gate: ServerProcess, name: str) -> list[dict[str, Any]]:
    lines = gate.errors.read_text(encoding="utf-8").splitlines(keepends=True)
    found = [json.loads(each) for each in lines if each[:1] == "{" and each.endswith("\n")]
    return [each for each in found if each["event"] == name]


def event(gate: ServerProcess, name: str) -> dict[str, Any]:
    return gate.wait_until(lambda: next(iter(events(gate, name)), None), name, START_SECONDS)


def refusal(gate: ServerProcess) -> str:
    """The one line that a gate ends with that could not take over."""
    assert gate.wait(START_SECONDS) != 0
    lines = gate.errors.read_text(encoding="utf-8").splitlines()
    found = [each for each in lines if each[:1] != "{"]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(slow_mlflow) as running:
        yield running


@pytest.fixture
def gates(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[Gates]:
    settings = {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "0",
        "MLFLOW_SERVER_URL": upstream.url,
    }
    with contextlib.ExitStack() as stack:
        yield Gates(tmp_path, settings, stack)


# --- under load ------------------------------------------------------------------------------

WORKERS = {"http": (1, 1, 2, 2, 1, 2), "https": (2, 2, 1, 2, 2, 2)}
"""Of the gates one after the other: five replacements, each kind of change among them."""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_five_replacements_under_load_refuse_and_reset_nothing(
    scheme: str, gates: Gates, tmp_path: Path
) -> None:
    first, *later = WORKERS[scheme]
    context = serve_https(gates, tmp_path) if scheme == "https" else None
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"), context)
    replaced = [gates.start(first)]
    with traffic.going_on():
        for workers in later:
            traffic.wait_for(newcomer=50, regular=20, upload=1, download=1)
            replaced.append(gates.replace(replaced[-1], workers))
        traffic.wait_for(newcomer=50, regular=20, upload=1, download=1)
        for old in replaced[:-1]:  # each regular client has sent another request meanwhile
            assert old.wait(STOP_SECONDS) == 0
            assert events(old, "cut_off") == []
    assert traffic.failures == []


def serve_https(gates: Gates, folder: Path) -> ssl.SSLContext:
    authority = Authority(folder, "authority")
    made = authority.issue("gate", "127.0.0.1")
    gates.settings["HEADGATE_LISTEN__TLS__CERTIFICATE"] = str(made.certificate)
    gates.settings["HEADGATE_LISTEN__TLS__KEY"] = str(made.key)
    return ssl.create_default_context(cafile=str(authority.certificate))


def test_the_same_load_sees_a_plain_restart(gates: Gates) -> None:
    """The control: what the tests above count is there to be counted."""
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"))
    gate = gates.start(1, listen__lame_duck="0")
    with traffic.going_on():
        traffic.wait_for(newcomer=20, regular=5)
        gate.signal(signal.SIGTERM)
        gate.wait(STOP_SECONDS)
        gates.start(1)
        traffic.wait_for(newcomer=20)
    assert any("newcomer: ConnectionRefusedError" in each for each in traffic.failures)
