"""A program that reads the gate's logs may stop reading: clients do not notice."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.support.gate import bearer, create_key
from tests.support.patience import patience
from tests.support.processes import clean_environment
from tests.support.raw import RawClient, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

SECONDS = 20.0
REQUESTS = 1500  # lines of over 400 bytes each: many times what a pipe holds


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@contextmanager
def piped_gate(folder: Path, upstream: str, workers: int) -> Iterator[subprocess.Popen[bytes]]:
    """A gate that writes both its logs into one pipe, as containers often have it."""
    settings = {
        "HEADGATE_DATA": str(folder / "data"),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LISTEN__WORKERS": str(workers),
        "HEADGATE_LISTEN__LAME_DUCK": "0",
        "MLFLOW_SERVER_URL": upstream,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "headgate", "serve"],
        env=clean_environment() | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def port_of(output: IO[bytes]) -> int:
    """Read up to the line that says where the gate listens, and no further."""
    line = b""
    while (found := re.search(rb"listening on http://[\d.]+:(\d+),", line)) is None:
        assert select.select([output], [], [], SECONDS)[0]
        line += os.read(output.fileno(), 1)
    return int(found[1])


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_are_served_and_the_gate_stops_while_nobody_reads(
    workers: int, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    """And of what is read in the end, each line is whole."""
    key = create_key(tmp_path / "data", "logs")
    with piped_gate(tmp_path, upstream.url, workers) as process:
        assert process.stdout is not None
        port = port_of(process.stdout)
        for _ in range(4 * workers):  # so that every worker has its share
            with RawClient("127.0.0.1", port) as client:
                for _ in range(REQUESTS // 4):
                    client.send(request_head("GET", "/version", bearer(key)))
                    assert client.response().status == 200
                process.send_signal(signal.SIGHUP)  # which is logged, on standard error
        began = time.monotonic()
        process.terminate()
        process.wait(SECONDS)
        assert process.returncode == 0
        assert time.monotonic() - began < patience(SECONDS / 2)
        lines = process.stdout.read().splitlines()[1:]
    assert lines
    for line in lines:
        json.loads(line)
