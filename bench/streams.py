"""Streams of server-sent events that are open for long and mostly silent."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.peers.field import Subject, running
from bench.peers.launch import HOST, launched, placed
from bench.peers.programs import Program
from bench.peers.stream_server import EVENT
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from tests.support.ports import free_port
from tests.support.raw import ask

STREAMS = 1000
SILENT_SECONDS = 10
EVENTS = 20
WAIT_SECONDS = 30.0
_TARGET = "/api/2.0/mlflow/experiments/get?experiment_id=1"
_SERIES = {
    "memory": ("Memory per open stream", "KB"),
    "silent": (f"CPU time per second while {STREAMS:,} streams are silent", "ms"),
    "event": ("CPU time per event", "µs"),
}


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Open 1,000 streams through a new process, let them rest, then send events on each.

    Raises:
        CannotMeasureError: a stream is refused, or breaks off.
    """
    by_name = {program.name: program for program in programs}
    found: dict[str, dict[str, list[float]]] = {
        case: {name: [] for name in by_name} for case in _SERIES
    }
    with placed(setting.other_cores), _server(setting) as upstream:
        for turn, order in enumerate(alternating(list(by_name), setting.rounds), start=1):
            for name in order:
                setting.say(f"streams, {name}: round {turn} of {setting.rounds}")
                folder = setting.folder / f"{name}-{turn}"
                with running(setting, by_name[name], folder, upstream) as subject:
                    for case, value in _observe(setting, subject, upstream).items():
                        found[case][name].append(value)
    return [
        Series(f"streams.{case}", title, unit, Better.LOWER, found[case])
        for case, (title, unit) in _SERIES.items()
    ]


@contextmanager
def _server(setting: Setting) -> Iterator[int]:
    """Run the server behind the proxies; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.peers.stream_server", str(port)]
    with launched(command, setting.folder, "stream_server", port):
        yield port


def _observe(setting: Setting, subject: Subject, upstream: int) -> dict[str, float]:
    """Memory, and CPU time while nothing and while something happens."""
    count = setting.choose(STREAMS, STREAMS // 10)
    events = setting.choose(EVENTS, EVENTS // 10)
    with contextlib.ExitStack() as stack:
        _read_event(_open(stack, subject))  # code and first connections are there
        before = usage(subject.session).resident
        streams = [_open(stack, subject) for _ in range(count)]
        for stream in streams:
            _read_event(stream)
        opened = usage(subject.session)
        time.sleep(setting.choose(SILENT_SECONDS, 1))  # noqa: TID251 - what is measured is rest
        rested = usage(subject.session)
        for _ in range(events):
            response = ask(HOST, upstream, "POST", "/")
            if int(response.body) != count + 1:
                raise CannotMeasureError(f"{subject.name} has closed streams: {response.body!r}")
            for stream in streams:
                _read_event(stream)
        cpu = usage(subject.session).cpu - rested.cpu
    seconds = setting.choose(SILENT_SECONDS, 1)
    return {
        "memory": (opened.resident - before) / count / 1e3,
        "silent": (rested.cpu - opened.cpu) / seconds * 1e3,
        "event": cpu / (events * (count + 1)) * 1e6,
    }


def _open(stack: contextlib.ExitStack, subject: Subject) -> socket.socket:
    """Ask for a stream on a connection of its own."""
    stream = stack.enter_context(
        socket.create_connection((HOST, subject.port), timeout=WAIT_SECONDS)
    )
    request = (
        f"GET {_TARGET} HTTP/1.1\r\nHost: {HOST}:{subject.port}\r\nAccept: text/event-stream\r\n"
        f"User-Agent: mlflow-python-client/3.17.2\r\nAuthorization: Bearer {subject.key}\r\n\r\n"
    )
    stream.sendall(request.encode("ascii"))
    return stream


def _read_event(stream: socket.socket) -> None:
    """Read up to the end of one event."""
    held = b""
    while EVENT not in held:
        data = stream.recv(65536)
        held += data
        if not data or (held.startswith(b"HTTP/") and not held.startswith(b"HTTP/1.1 200 ")):
            raise CannotMeasureError(f"no stream but {held!r}")
