"""A gate whose standard streams are closed, full or read by nobody, from its start or later."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import bearer, create_key, running_gate
from tests.support.ports import free_port
from tests.support.processes import clean_environment
from tests.support.prometheus import parse
from tests.support.raw import ask
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import SECONDS, kill_worker, serving_pid


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"3.17.2")) as running:
        yield running


@pytest.mark.parametrize(
    ("closed", "lost"),
    [
        ((1,), "standard output is closed, so no access log is written"),
        ((2,), "standard error is closed, so no event is logged"),
        ((0, 1), "standard output is closed, so no access log is written"),
        ((0, 1, 2), ""),
    ],
)
def test_closed_at_the_start(
    closed: tuple[int, ...], lost: str, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """One line in words says what is lost, on what is left; nothing is written elsewhere."""
    key = create_key(tmp_path / "data", "streams")
    port = free_port()
    environment = clean_environment() | {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": str(port),
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "MLFLOW_SERVER_URL": upstream.url,
    }
    closing = " ".join(f"{fd}>&-" for fd in closed)
    with subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$0" -m headgate serve {closing}', sys.executable],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            status = _answered(process, port, key)
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert status == 200
    assert process.returncode == 0
    said = (output + errors).decode()
    assert "Traceback" not in said
    assert said.count("is closed") == bool(lost)
    assert f"headgate: {lost}\n" in said or not lost


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_commands_with_closed_streams_open_nothing_in_their_place(
    closed: tuple[int, ...], upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """A connection in the place of a standard stream ends a process of uvloop by SIGABRT."""
    closing = " ".join(f"{fd}>&-" for fd in closed)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m headgate doctor {closing}', sys.executable],
        env=clean_environment()
        | {"HEADGATE_DATA": str(tmp_path), "MLFLOW_SERVER_URL": upstream.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stderr  # what answers there is no MLflow
    assert done.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_keeps_no_gate_from_starting(
    upstream: RecordingUpstream, tmp_path: Path, unbuffered: str
) -> None:
    key = create_key(tmp_path / "data", "streams")
    port = free_port()
    environment = clean_environment() | {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": str(port),
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "MLFLOW_SERVER_URL": upstream.url,
        "PYTHONUNBUFFERED": unbuffered,
    }
    command = [sys.executable, "-m", "headgate", "serve"]
    with (
        Path("/dev/full").open("wb") as full,
        subprocess.Popen(command, env=environment, stdout=full, stderr=full) as process,
    ):
        try:
            assert _answered(process, port, key) == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def _answered(process: subprocess.Popen[bytes], port: int, key: str) -> int:
    while True:
        assert process.poll() is None
        try:
            return ask("127.0.0.1", port, "GET", "/version", bearer(key)).status
        except ConnectionRefusedError:
            os.sched_yield()


def test_once_it_runs_standard_error_holds_only_json(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Also when a worker is broken into by a signal that makes the interpreter write its stack."""
    with running_gate(tmp_path, upstream.url, program="headgate.testing.planted") as gate:
        kill_worker(gate.process, serving_pid(gate.process), signal.SIGSEGV)
        gate.event("worker_ended")
        gate.process.signal(signal.SIGUSR1)
        gate.event("logs_kept")
        gate.process.signal(signal.SIGTERM)
        assert gate.process.wait(SECONDS) == 0
        lines = gate.process.errors.read_text().splitlines()
        events = [json.loads(line) for line in lines if not line.startswith("headgate: ")]
        ended = next(each for each in events if each["event"] == "worker_ended")
        assert "Fatal Python error: Segmentation fault" in ended["output"]
        plain = [at for at, line in enumerate(lines) if line.startswith("headgate: ")]
        assert "listening on" in lines[plain[-1]]  # the last one: from then on it runs


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_other_servers_for_their_logs_kill_nobody(
    number: signal.Signals, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "data", "streams")
    with running_gate(tmp_path, upstream.url) as gate:
        pid = serving_pid(gate.process)
        os.kill(pid, number)
        gate.process.signal(number)
        assert number.name in gate.event("logs_kept")["message"]
        assert gate.ask("GET", "/version", key=key).status == 200
        assert serving_pid(gate.process) == pid


def test_lines_that_no_disk_takes_are_counted_and_told(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    key = create_key(tmp_path / "data", "streams")
    environment = clean_environment() | {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "MLFLOW_SERVER_URL": upstream.url,
    }
    with (
        open("/dev/full", "wb") as full,
        subprocess.Popen(
            [sys.executable, "-m", "headgate", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stderr is not None
            port = 0
            for line in process.stderr:
                if (found := re.search(r"listening on http://[\d.]+:(\d+)", line)) is not None:
                    port = int(found[1])
                    break
            assert ask("127.0.0.1", port, "GET", "/version", bearer(key)).status == 200
            events = (json.loads(line) for line in process.stderr if line.startswith("{"))
            event = next(each for each in events if each["event"] == "log_lines_lost")
            assert (event["cause"], event["log"]) == ("full", "access")
            text = ask("127.0.0.1", port, "GET", "/-/metrics", bearer(key)).body.decode()
        finally:
            process.kill()
    family = parse(text)["headgate_log_lines_lost_total"]
    assert family.value(log="access", cause="full") >= 1
    assert family.value(log="access", cause="stalled") == 0
