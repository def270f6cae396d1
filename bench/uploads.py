"""Peak memory of a proxy with many concurrent large uploads."""

from __future__ import annotations

from collections.abc import Sequence

from bench.bulk import upstream
from bench.bulk_client import Bulk
from bench.peers.field import running
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import Setting

CONNECTIONS = 64
SIZE = 256 * 2**20
ROUNDS = 2
"""Rounds at most: 16 GiB take their time, and a peak hardly varies."""


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Upload 256 MiB on each of 64 concurrent connections, through a new process for each round.

    The server takes no byte before all 64 are under way and every buffer is full.
    """
    size = setting.choose(SIZE, SIZE // 64)
    by_name = {program.name: program for program in programs}
    idle: dict[str, list[float]] = {name: [] for name in by_name}
    peak: dict[str, list[float]] = {name: [] for name in by_name}
    rounds = min(setting.rounds, ROUNDS)
    with placed(setting.other_cores), upstream(setting) as port:
        for turn, order in enumerate(alternating(list(by_name), rounds), start=1):
            for name in order:
                setting.say(f"uploads, {name}: round {turn} of {rounds}")
                with running(
                    setting, by_name[name], setting.folder / f"{name}-{turn}", port
                ) as subject:
                    client = Bulk(subject.port, subject.key)
                    client.upload(1, 1)
                    idle[name].append(usage(subject.session).resident / 1e6)
                    client.upload(size, CONNECTIONS, together=True)
                    peak[name].append(usage(subject.session).peak / 1e6)
    return [
        Series("uploads.idle", "Memory before any upload", "MB", Better.LOWER, idle),
        Series("uploads.peak", "Peak memory, 64 uploads at once", "MB", Better.LOWER, peak),
    ]
