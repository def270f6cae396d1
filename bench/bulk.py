"""Throughput of large bodies, and the CPU time that they cost a proxy."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.bulk_client import Bulk
from bench.peers.field import Subject, all_running
from bench.peers.launch import launched, placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting
from tests.support.ports import free_port

DIRECT = "direct"
TOTAL = 2**30
CONNECTIONS = (1, 16)


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Move 1 GiB up and down, on one connection and on 16 that share it."""
    total = setting.choose(TOTAL, TOTAL // 16)
    with (
        placed(setting.other_cores),
        upstream(setting) as port,
        all_running(setting, programs, setting.folder / "proxies", port) as subjects,
    ):
        ways = {subject.name: subject for subject in subjects}
        found = []
        for direction in ("up", "down"):
            for count in CONNECTIONS:
                found += _case(setting, direction, total // count, count, ways, port)
        return found


@contextmanager
def upstream(setting: Setting) -> Iterator[int]:
    """Run the server of large bodies; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.peers.bulk_server", str(port)]
    with (
        placed(setting.other_cores),
        launched(command, setting.folder, "bulk_server", port),
    ):
        yield port


def _case(
    setting: Setting,
    direction: str,
    size: int,
    count: int,
    ways: dict[str, Subject],
    direct: int,
) -> list[Series]:
    names = [DIRECT, *ways]
    rate: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    plural = "connection" if count == 1 else "connections"
    title = f"1 GiB {direction} on {count} {plural}"
    for turn, order in enumerate(alternating(names, setting.rounds), start=1):
        setting.say(f"bulk, {title}: round {turn} of {setting.rounds}")
        for name in order:
            subject = ways.get(name)
            client = Bulk(subject.port, subject.key) if subject else Bulk(direct, "")
            move = client.upload if direction == "up" else client.download
            before = usage(subject.session).cpu if subject else 0.0
            seconds = move(size, count)
            rate[name].append(size * count / seconds / 1e6)
            if subject:
                spent = usage(subject.session).cpu - before
                cpu[name].append(spent / (size * count / 2**30))
    return [
        Series(f"bulk.{direction}-{count}", title, "MB/s", Better.HIGHER, rate),
        Series(f"bulkcpu.{direction}-{count}", f"CPU for {title}", "s/GiB", Better.LOWER, cpu),
    ]
