"""The runbooks, run as they stand there while what they are for is the case.

A block ``console`` holds a command and what it prints, ``…`` for what differs.  Blocks under the
heading "Over when" are run after the cure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import dns.rcode
import pytest

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.gate import OPS_LISTENER, Gate, create_key, running_gate
from tests.support.keys import revoke_key
from tests.support.messages_of_pages import Block, blocks, shows
from tests.support.mlflow_server import MlflowServer
from tests.support.processes import clean_environment
from tests.support.scripted_dns import ScriptedDns

FOLDER = Path(__file__).parents[2] / "docs/runbooks"
NAME = "mlflow.ml.internal"
SECONDS = 30.0
AFTERWARDS = "Over when"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
SETTINGS, FROM_ECS = (each.text for each in blocks((FOLDER / "README.md").read_text("utf-8")))
FUNCTIONS = "\n".join(line for line in SETTINGS.splitlines() if "() {" in line)

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("jq") is None, reason="needs curl and jq"
)


class Scene:
    """A gate that finds a real MLflow by DNS, with a proxy between that misbehaves on command."""

    def __init__(self, folder: Path, stack: ExitStack, mlflow: MlflowServer) -> None:
        self.dns = stack.enter_context(ScriptedDns())
        self.proxy = stack.enter_context(FaultProxy("127.0.0.1", 0, (mlflow.host, mlflow.port)))
        self.dns.set(NAME, "A", "127.0.0.1")
        data = folder / "data"
        self.key = create_key(data, "operator", ["admin"])
        self.old = create_key(data, "old-job")
        revoke_key(data, "old-job")
        self.file = folder / "headgate.toml"
        self.file.write_text(
            f'[upstreams.default]\nurl = "http://{NAME}:{self.proxy.port}"\n'
            f'resolver = "{self.dns.address}"\n'
            "probes.interval = 0.5\nprobes.timeout = 0.5\nprobes.unhealthy_after = 2\n",
            encoding="utf-8",
        )
        self.gate: Gate = stack.enter_context(
            running_gate(
                folder,
                None,
                OPS_LISTENER
                | {
                    "HEADGATE_CONFIG": str(self.file),
                    "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": None,
                },
            )
        )

    def run(self, command: str) -> str:
        """What a shell prints for a command, with the settings of the page."""
        host, port = self.gate.ops
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {
            "PATH": programs,
            "GATE": self.gate.url,
            "OPS": f"http://{host}:{port}",
            "KEY": self.key,
            "ACCESS_LOG": str(self.gate.process.output),
            "EVENT_LOG": str(self.gate.process.errors),
            "HEADGATE_CONFIG": str(self.file),
            "HEADGATE_DATA": str(self.gate.data),
        }
        done = subprocess.run(
            ["bash", "-c", f"{FUNCTIONS}\n{command}"],
            env=clean_environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return done.stdout

    def search(self, key: str | None = None) -> None:
        """Ask for experiments, as clients do all the time."""
        self.gate.ask("GET", SEARCH, key=key or self.key)

    def is_healthy(self) -> bool:
        """Whether the gate finds nothing wrong."""
        return '"status":"ok"' in self.gate.ask("GET", "/-/health").body.decode().replace(" ", "")


@contextmanager
def nothing(_scene: Scene) -> Iterator[None]:
    """All is well."""
    yield


@contextmanager
def stopped(scene: Scene) -> Iterator[None]:
    """MLflow is stopped, and started again."""
    scene.proxy.set(Fault.LEAVE)
    yield
    scene.proxy.set()


@contextmanager
def failing(scene: Scene) -> Iterator[None]:
    """MLflow breaks off what it responds."""
    scene.proxy.set(Fault.RESET_AFTER, bytes_until_reset=10)
    for _ in range(3):
        scene.search()
    yield
    scene.proxy.set()


@contextmanager
def name_server_fails(scene: Scene) -> Iterator[None]:
    """No look-up succeeds for a while."""
    scene.dns.rcode = dns.rcode.SERVFAIL
    yield
    scene.dns.rcode = dns.rcode.NOERROR


@contextmanager
def old_key(scene: Scene) -> Iterator[None]:
    """A job goes on with a key that was revoked."""
    for _ in range(5):
        scene.run(f'curl -sS -H "Authorization: Bearer {scene.old}" "$GATE/version"')
    yield
    scene.search()


@contextmanager
def parked(scene: Scene) -> Iterator[None]:
    """Somebody has parked MLflow."""
    sentence = "MLflow is restarted"
    scene.run(
        f'HEADGATE_API_KEY=$KEY headgate park --url "$GATE" --max 10m --sentence "{sentence}"'
    )
    yield


SITUATIONS: Mapping[str, Callable[[Scene], AbstractContextManager[None]]] = {
    "debug-routing": nothing,
    "verify-connectivity": nothing,
    "roll-back": nothing,
    "discovery-stale": name_server_fails,
    "authentication-spike": old_key,
    "no-endpoint": stopped,
    "errors-5xx": failing,
    "parked": parked,
}
"""What is the case while a runbook is read; it is over when the block ends."""
ELSEWHERE = {"mlflow-upgrade-stopped"}
"""Needs an upgrade of MLflow that was killed: ``test_mlflow_upgrade`` kills one at each step."""


@pytest.fixture(scope="module")
def scene(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(tmp_path_factory.mktemp("runbooks"), stack, mlflow_server)


def follow(scene: Scene, block: Block) -> None:
    """Run the command of a block until it prints what the page shows."""
    assert block.language == "console"
    command, *expected = block.text.splitlines()
    assert command.startswith("$ "), block.text
    last = ""

    def printed() -> bool:
        nonlocal last
        last = scene.run(command.removeprefix("$ "))
        return all(shows(line, last) for line in expected)

    deadline = time.monotonic() + SECONDS
    while not printed():
        assert time.monotonic() < deadline, f"{block.text}\nis not what is printed:\n{last}"


def test_every_runbook_is_followed() -> None:
    there = {each.stem for each in FOLDER.glob("*.md")} - {"README"}
    assert there == {*SITUATIONS, *ELSEWHERE}


def test_the_logs_of_ecs_are_read_like_others(tmp_path: Path) -> None:
    """The AWS CLI writes a time in front of each line (``ShortLogEventsFormatter``)."""
    line = '{"event":"request","status":401}'
    aws = f"aws() {{ echo '2026-11-29T17:00:00 {line}'; }}"
    fetch = FROM_ECS.rpartition(" > ")[0] + ' > "$ACCESS_LOG"'
    done = subprocess.run(
        ["bash", "-euc", f"{FUNCTIONS}\n{aws}\n{fetch}\naccess .status"],
        env=clean_environment() | {"ACCESS_LOG": str(tmp_path / "both.log")},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == "401\n", done.stderr


# One process plays them all in this order: each leaves the gate as it was.
@pytest.mark.parametrize("name", SITUATIONS)
def test_a_runbook_leads_to_the_end(name: str, scene: Scene) -> None:
    page = list(blocks((FOLDER / f"{name}.md").read_text("utf-8")))
    scene.gate.process.wait_until(lambda: scene.is_healthy() or None, "a healthy gate", SECONDS)
    with SITUATIONS[name](scene):
        for block in page:
            if block.heading != AFTERWARDS:
                follow(scene, block)
    for block in page:
        if block.heading == AFTERWARDS:
            follow(scene, block)
