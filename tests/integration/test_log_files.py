"""Logs in files: rotated, full, not writable; and nobody who sends requests notices."""

from __future__ import annotations

import gzip
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.debian import LOGROTATE, require
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.processes import clean_environment
from tests.support.prometheus import parse
from tests.support.raw import RawClient, ask, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.steady_load import Sender, steady_load
from tests.support.waiting import seconds_until
from tests.support.workers import worker_pids

PAGE = Path(__file__).parents[2] / "docs/how-to/read-and-ship-the-logs.md"
SECONDS = 30.0


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@contextmanager
def gate_with(
    folder: Path, upstream: RecordingUpstream, **settings: str
) -> Iterator[tuple[Gate, str]]:
    """A gate of two workers with these settings of logs, and an administrator's key."""
    key = create_key(folder / "data", "logs", ["admin"])
    environment = {f"HEADGATE_LOG__{name.upper()}": value for name, value in settings.items()}
    environment["HEADGATE_LISTEN__WORKERS"] = "2"
    with running_gate(folder, upstream.url, environment) as gate:
        yield gate, key


def lines_of(*files: Path) -> list[dict[str, Any]]:
    """The lines, each of which must be a whole one."""
    text = ""
    for each in files:
        content = each.read_bytes() if each.exists() else b""
        text += (gzip.decompress(content) if each.suffix == ".gz" else content).decode()
    return [json.loads(line) for line in text.splitlines()]


def lost(gate: Gate, key: str, log: str, cause: str) -> float:
    page = gate.ask("GET", "/-/metrics", key=key).body.decode()
    return parse(page)["headgate_log_lines_lost_total"].value(log=log, cause=cause)


def test_logrotate_loses_no_line(upstream: RecordingUpstream, tmp_path: Path) -> None:
    """With the configuration of the how-to, while requests go on."""
    program = require(LOGROTATE)
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o750)
    access, events = logs / "access.log", logs / "events.log"
    with gate_with(tmp_path, upstream, file=str(access), events_file=str(events)) as (gate, key):
        block = re.search(r"```text\n(/var/log/headgate/.*?)```", PAGE.read_text(), re.DOTALL)
        assert block is not None
        text = block[1].replace("/var/log/headgate", str(logs)).replace("headgate headgate", "")
        text = re.sub(r"systemctl .*", f"kill -USR1 {gate.process.pid}", text)
        configuration = tmp_path / "logrotate.conf"
        configuration.write_text("su root root\n" + text if os.getuid() == 0 else text)
        configuration.chmod(0o600)
        target = Sender(gate.host, gate.port, "/version", (bearer(key),))
        with steady_load([target] * 3) as load:
            for rotation in range(1, 4):
                load.wait_for(60)
                # An empty log is not rotated, and lines are written once a second.
                seconds_until(lambda: access.stat().st_size > 0, SECONDS)
                subprocess.run(
                    [program, "-f", "-s", tmp_path / "state", configuration],
                    check=True,
                    timeout=SECONDS,
                    capture_output=True,
                )
                seconds_until(lambda: not writes_to(gate, f"{access}.1"), SECONDS)
                seconds_until(lambda: access.stat().st_size > 0, SECONDS)
                reopened = [each for each in lines_of(events) if each["event"] == "logs_reopened"]
                assert len(reopened) == 1, rotation
        assert not load.failures
        sent = len(load.times)
        found = [*logs.glob("access.log*")]
        assert len(found) == 4
        seconds_until(lambda: requests_in(found) >= sent, SECONDS)
        assert requests_in(found) == sent
        assert access.stat().st_mode & 0o777 == 0o640


def writes_to(gate: Gate, path: str) -> bool:
    """Whether a process of the gate has the file of this name open."""
    pids = [gate.process.pid, *worker_pids(gate.process)]
    links = [each for pid in pids for each in Path(f"/proc/{pid}/fd").iterdir()]
    return any(each.is_symlink() and os.readlink(each) == path for each in links)


def requests_in(files: list[Path]) -> int:
    return sum(each["path"] == "/version" for each in lines_of(*files))


def test_a_file_that_cannot_be_opened_again_stays_in_use(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    access = tmp_path / "access.log"
    with gate_with(tmp_path, upstream, file=str(access)) as (gate, key):
        access.rename(tmp_path / "access.log.1")
        access.mkdir()
        gate.process.signal(signal.SIGUSR1)
        event = gate.event("log_not_reopened", 3)  # the supervisor, and both workers
        assert event["file"] == str(access)
        assert gate.ask("GET", "/version?kept", key=key).status == 200
        seconds_until(lambda: requests_in([tmp_path / "access.log.1"]) == 1, SECONDS)


def test_a_file_that_cannot_be_written_ends_the_start(tmp_path: Path) -> None:
    settings = {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LOG__FILE": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "serve"],
        env=clean_environment() | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert f"cannot write the log to {tmp_path}: Is a directory" in done.stderr.decode()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for some hundred lines."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder],
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=SECONDS)


def test_a_full_disk_costs_lines_and_no_request(
    upstream: RecordingUpstream, small_disk: Path, tmp_path: Path
) -> None:
    access, events = small_disk / "access.log", small_disk / "events.log"
    with gate_with(tmp_path, upstream, file=str(access), events_file=str(events)) as (gate, key):
        target = Sender(gate.host, gate.port, "/version", (bearer(key),))
        with steady_load([target] * 3) as load:
            load.wait_for(300)
            seconds_until(lambda: lost(gate, key, "access", "full") > 0, SECONDS)
            access.write_bytes(b"")  # somebody makes room
            before = lost(gate, key, "access", "full")
            load.wait_for(40)
            seconds_until(lambda: counted_in(access) > 0, SECONDS)
        assert not load.failures
        assert before > 0
        assert counted_in(access) > 0


def counted_in(file: Path) -> int:
    """How many lost lines the whole lines of a file count."""
    found = 0
    for line in file.read_bytes().split(b"\n")[:-1]:
        try:
            found += json.loads(line.lstrip(b"\0")).get("lines_dropped", 0)
        except ValueError:  # cut short by the full disk
            continue
    return found


def test_what_takes_no_byte_costs_lines_and_no_request(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    with gate_with(tmp_path, upstream, file="/dev/full", events_file="/dev/full") as (gate, key):
        target = Sender(gate.host, gate.port, "/version", (bearer(key),))
        with steady_load([target] * 3) as load:
            load.wait_for(60)
            seconds_until(lambda: lost(gate, key, "access", "full") >= 50, SECONDS)
        assert not load.failures
        assert lost(gate, key, "events", "full") > 0


def test_a_log_that_nobody_reads_costs_lines_and_no_request(
    upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """Both logs in one pipe; debug lines fill it within some requests."""
    key = create_key(tmp_path / "data", "logs", ["admin"])
    settings = {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "HEADGATE_OPS__LISTEN": "",
        "MLFLOW_SERVER_URL": upstream.url,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", "serve"],
        env=clean_environment() | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            assert process.stdout is not None
            port = port_in(process.stdout)
            for module in ("auth", "routing", "cluster", "dataplane"):
                body = json.dumps({"module": module, "level": "debug"}).encode()
                fields = (bearer(key), "Content-Type: application/json")
                asked = ask("127.0.0.1", port, "POST", "/-/api/v1/log-levels", *fields, body=body)
                assert asked.status == 200
            with RawClient("127.0.0.1", port) as client:
                for _ in range(200):
                    client.send(request_head("GET", "/version", bearer(key)))
                    assert client.response().status == 200
            page = ask("127.0.0.1", port, "GET", "/-/metrics", bearer(key)).body.decode()
        finally:
            process.kill()
    family = parse(page)["headgate_log_lines_lost_total"]
    assert family.value(log="events", cause="stalled") > 0


def port_in(output: IO[bytes]) -> int:
    """Read up to the line that says where the gate listens, and no further."""
    text = b""
    while (found := re.search(rb"listening on http://127\.0\.0\.1:(\d+),", text)) is None:
        assert select.select([output], [], [], SECONDS)[0]
        text += os.read(output.fileno(), 1)
    return int(found[1])
