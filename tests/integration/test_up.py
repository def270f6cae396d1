"""``headgate up`` as a person runs it: a process that starts others and leaves none behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import ServerProcess
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

START_SECONDS = 120.0
STOP_SECONDS = 30.0
HOST = "127.0.0.1"

STAND_IN = """
import http.server, os, sys

print("the stand-in starts", flush=True)
if os.environ["STAND_IN"] == "dies":
    sys.exit("the database is from a newer version")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.environ["STAND_IN"] == "works" else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
"""What ``python -m mlflow`` runs where a test is about processes and not about MLflow."""


@dataclass(frozen=True)
class Up:
    """A running ``headgate up`` and its data folder, in which MLflow's processes work."""

    process: ServerProcess
    data: Path

    def welcome(self) -> str:
        """Wait for everything it prints once it is ready."""
        return self.process.wait_until(
            lambda: text if "Ctrl-C stops" in (text := self.process.output.read_text()) else None,
            "the welcome",
            START_SECONDS,
        )

    def errors(self) -> list[str]:
        return self.process.errors.read_text().splitlines()

    def mlflow_pids(self) -> list[int]:
        """The processes that work in the data folder: of MLflow, and of parent_watch."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # a process of another user, or gone already
                if (entry / "cwd").readlink() == self.data:
                    found.append(int(entry.name))
        return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def running(
    data: Path,
    *options: str,
    stand_in: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Up]:
    environment = {"HEADGATE_OPS__LISTEN": ""} | ({} if settings is None else dict(settings))
    if stand_in is not None:
        package = data.parent / "stand-in" / "mlflow"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(STAND_IN)
        search = [str(package.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, search)), "STAND_IN": stand_in}
    command = [sys.executable, "-m", "headgate", "up", "--data", str(data), *options]
    with ServerProcess(command, environment, data.parent, "up") as process:
        yield Up(process, data)


def ask(url: str, method: str, target: str, key: str | None, body: bytes = b"") -> RawResponse:
    host, port = url.removeprefix("http://").split(":")
    fields = ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    if key is not None:
        fields.append(f"Authorization: Bearer {key}")
    with RawClient(host, int(port)) as connection:
        connection.send(request_head(method, target, *fields, host=f"{host}:{port}") + body)
        return connection.response(method)


def exported(welcome: str, name: str) -> str:
    found = re.search(rf"^export {name}=(\S+)$", welcome, re.MULTILINE)
    assert found is not None, welcome
    return found[1]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + STOP_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.02)
    return True


def test_two_starts_with_the_real_mlflow(data: Path) -> None:
    """The first key opens the gate immediately, Ctrl-C leaves nothing, a second start has all."""
    with running(data, "--port", "0") as first:
        welcome = first.welcome()
        url, key = (exported(welcome, f"MLFLOW_TRACKING_{name}") for name in ("URI", "TOKEN"))
        assert ask(url, "GET", "/version", None).status == 401
        assert ask(url, "GET", "/mlflow/version", key).body == b"3.17.2"
        body = json.dumps({"name": "kept"}).encode()
        created = ask(url, "POST", "/api/2.0/mlflow/experiments/create", key, body)
        assert created.status == 200

        first.process.signal(signal.SIGINT)

        assert first.process.wait(STOP_SECONDS) == 0
        assert first.mlflow_pids() == []

    with running(data, "--port", "0") as second:
        welcome = second.welcome()
        url = exported(welcome, "MLFLOW_TRACKING_URI")
        target = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept"
        found = json.loads(ask(url, "GET", target, key).body)

        second.process.signal(signal.SIGTERM)

        assert second.process.wait(STOP_SECONDS) == 0
        assert second.mlflow_pids() == []
    assert found["experiment"]["experiment_id"] == json.loads(created.body)["experiment_id"]
    assert "hg_" not in welcome
    assert "shown when it was created (first)" in welcome


def test_a_folder_in_use_is_refused_and_its_holder_goes_on(data: Path) -> None:
    with running(data, "--port", "0", stand_in="works") as first:
        first.welcome()
        with running(data, "--port", "0", stand_in="works") as second:
            assert second.process.wait(START_SECONDS) == 2
            (line,) = second.errors()
            assert f"is in use by another `headgate up` (process {first.process.pid})" in line
        assert first.process.exit_code is None


def test_the_next_free_port_is_used_and_said(data: Path) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # taken by somebody else: as good for this test
            stack.enter_context(socket.create_server((HOST, 8080)))
        with running(data, stand_in="works") as up:
            url = exported(up.welcome(), "MLFLOW_TRACKING_URI")

            assert url != "http://127.0.0.1:8080"
            assert f"headgate: port 8080 is in use; using {url.rpartition(':')[2]}" in up.errors()


def test_a_taken_port_that_was_asked_for_starts_nothing(data: Path) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        with running(data, "--port", str(port), stand_in="works") as up:
            assert up.process.wait(START_SECONDS) == 2
            assert up.errors() == [f"headgate: port {port} is in use; choose another with --port"]
    assert not data.exists()


def test_an_mlflow_that_dies_at_its_start_is_quoted(data: Path) -> None:
    with running(data, "--port", "0", stand_in="dies") as up:
        assert up.process.wait(START_SECONDS) == 2
        assert up.errors()[1:] == [
            "  the stand-in starts",
            "  the database is from a newer version",
            f"headgate: MLflow exited with code 1; its log is {data}/mlflow.log",
        ]


@pytest.mark.parametrize(("victim", "code"), [("watcher", -9), ("server", 137)])
def test_an_mlflow_that_dies_later_ends_the_gate_with_code_1(
    data: Path, victim: str, code: int
) -> None:
    """Killed as the kernel does it when memory runs out; the other process goes as well."""
    with running(data, "--port", "0", stand_in="works") as up:
        up.welcome()
        watcher, server = sorted(up.mlflow_pids())  # the watcher started the server

        os.kill(watcher if victim == "watcher" else server, signal.SIGKILL)

        assert up.process.wait(STOP_SECONDS) == 1
        assert up.errors()[-1] == (
            f"headgate: MLflow exited with code {code}; its log is {data}/mlflow.log; "
            "the gate has stopped"
        )
        assert eventually(lambda: up.mlflow_pids() == [])


@pytest.mark.parametrize("stand_in", ["works", "never healthy"])
def test_mlflow_ends_even_when_headgate_is_killed(data: Path, stand_in: str) -> None:
    with running(data, "--port", "0", stand_in=stand_in) as up:
        up.process.wait_until(lambda: len(up.mlflow_pids()) == 2 or None, "MLflow", START_SECONDS)

        up.process.signal(signal.SIGKILL)

        assert eventually(lambda: up.mlflow_pids() == [])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_start_can_be_broken_off(data: Path, number: signal.Signals, code: int) -> None:
    with running(data, "--port", "0", stand_in="never healthy") as up:
        up.process.wait_until(lambda: len(up.mlflow_pids()) == 2 or None, "MLflow", START_SECONDS)
        up.process.wait_for_line("starting MLflow", START_SECONDS)

        up.process.signal(number)

        assert up.process.wait(STOP_SECONDS) == code
        assert up.mlflow_pids() == []
        assert up.errors() == ["starting MLflow …"]


def test_a_server_that_is_there_already_is_used_and_left_running(data: Path) -> None:
    with (
        RecordingUpstream(fixed(b"OK")) as upstream,
        running(data, "--port", "0", "--mlflow", upstream.url) as up,
    ):
        welcome = up.welcome()
        url, key = (exported(welcome, f"MLFLOW_TRACKING_{name}") for name in ("URI", "TOKEN"))

        assert ask(url, "GET", "/version", key).body == b"OK"
        assert welcome.rstrip("\n").endswith("Ctrl-C stops the gate.")
        assert up.mlflow_pids() == []

        up.process.signal(signal.SIGINT)
        assert up.process.wait(STOP_SECONDS) == 0


def test_a_server_that_does_not_answer_is_one_line(data: Path) -> None:
    with socket.socket() as closed:  # bound but not listening: connections are refused
        closed.bind((HOST, 0))
        url = f"http://{HOST}:{closed.getsockname()[1]}"
        with running(data, "--port", "0", "--mlflow", url) as up:
            assert up.process.wait(START_SECONDS) == 2
            (line,) = up.errors()
    assert line.startswith(f"headgate: no healthy MLflow at {url} (connection refused); ")


def test_a_server_that_is_not_mlflow_is_one_line(data: Path) -> None:
    with (
        RecordingUpstream(fixed(b"<html>")) as other,
        running(data, "--port", "0", "--mlflow", other.url) as up,
    ):
        assert up.process.wait(START_SECONDS) == 2
        (line,) = up.errors()
    assert "/health answered 200, which is not MLflow's response" in line
