"""What a hundred thousand keys cost: the start of a gate, memory, and the look-up of one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.population import configuration, populate, secret
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from bench.targets import GATE
from tests.support.debian import POSTGRESQL
from tests.support.gate import running_gate
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.resources import Resources
from tests.support.workers import serving_pid

KEYS = 100_000
FEW = 100
LOOKED_UP = (FEW, 10_000, KEYS)
_NOWHERE = "http://127.0.0.1:9"
_REST_SECONDS = 1.5
"""Until a gate has settled: it has looked at its store again by then."""


@dataclass(frozen=True)
class _Store:
    """A store to start a gate with: a folder of data, and the variables that lead to it."""

    folder: Path
    keys: int
    environment: Mapping[str, str]


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Start gates with few and with many keys, in SQLite and PostgreSQL; then look keys up.

    Raises:
        CannotMeasureError: a gate does not know the last of its keys when it starts to listen.
    """
    program = programs[0]
    found = []
    with _stores(setting) as kinds:
        for kind, stores in kinds.items():
            found += _starts(setting, program, kind, stores)
    return [*found, _lookups(setting, program)]


@contextmanager
def _stores(setting: Setting) -> Iterator[dict[str, dict[str, _Store]]]:
    """For each kind of store one with many keys, and one with few."""
    sizes = {GATE: setting.choose(KEYS, KEYS // 20), f"{FEW} keys": FEW}
    with contextlib.ExitStack() as stack:
        kinds: dict[str, dict[str, _Store]] = {"SQLite": {}}
        for name, keys in sizes.items():
            kinds["SQLite"][name] = _sqlite(setting, keys)
        if POSTGRESQL.is_installed:
            server = stack.enter_context(postgres_server(setting.folder))
            kinds["PostgreSQL"] = {
                name: _postgresql(setting, server, keys) for name, keys in sizes.items()
            }
        yield kinds


def _sqlite(setting: Setting, keys: int) -> _Store:
    folder = setting.folder / f"sqlite-{keys}"
    folder.mkdir()
    populate(configuration(folder / "data"), keys)
    return _Store(folder, keys, {})


def _postgresql(setting: Setting, server: PostgresServer, keys: int) -> _Store:
    folder = setting.folder / f"postgresql-{keys}"
    folder.mkdir()
    file = folder / "database-url"
    file.write_text(server.url(server.create_database(f"keys-{keys}")), encoding="utf-8")
    environment = {"HEADGATE_AUTH__DATABASE_URL_FILE": str(file)}
    upgrade = [sys.executable, "-m", "headgate", "db", "upgrade"]
    subprocess.run(  # noqa: S603 - our own command
        upgrade,
        env=os.environ | environment | {"HEADGATE_DATA": str(folder / "data")},
        check=True,
        capture_output=True,
    )
    populate(configuration(folder / "data", file), keys)
    return _Store(folder, keys, environment)


def _starts(
    setting: Setting, program: Program, kind: str, stores: Mapping[str, _Store]
) -> list[Series]:
    seconds: dict[str, list[float]] = {name: [] for name in stores}
    memory: dict[str, list[float]] = {name: [] for name in stores}
    for turn, names in enumerate(alternating(list(stores), setting.rounds), start=1):
        setting.say(f"keys, {kind}: round {turn} of {setting.rounds}")
        for name in names:
            taken, resident = _start(setting, program, stores[name])
            seconds[name].append(taken)
            memory[name].append(resident / 1e6)
    label = kind.lower()
    return [
        Series(
            f"keys.start-{label}",
            f"Start with {KEYS:,} keys in {kind}",
            "s",
            Better.LOWER,
            seconds,
        ),
        Series(
            f"keys.memory-{label}",
            f"Memory of a worker with {KEYS:,} keys in {kind}",
            "MB",
            Better.LOWER,
            memory,
        ),
    ]


def _start(setting: Setting, program: Program, store: _Store) -> tuple[float, int]:
    """Seconds until a gate lets its last key in, and what its worker holds in memory then."""
    environment = {"HEADGATE_LISTEN__WORKERS": "1", **store.environment, **program.environment()}
    started = time.perf_counter()
    with (
        placed(setting.proxy_cores),
        running_gate(store.folder, _NOWHERE, environment) as gate,
    ):
        response = gate.ask("GET", "/version", key=secret(store.keys - 1))
        taken = time.perf_counter() - started
        if response.status == 401:
            raise CannotMeasureError(f"a key of the store is refused: {response.body!r}")
        time.sleep(_REST_SECONDS)  # noqa: TID251 - nothing tells that it rests
        return taken, Resources(serving_pid(gate.process)).resident


def _lookups(setting: Setting, program: Program) -> Series:
    times: dict[str, list[float]] = {_looked_up(keys): [] for keys in LOOKED_UP}
    for turn in range(1, setting.rounds + 1):
        setting.say(f"keys, look-ups: round {turn} of {setting.rounds}")
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "bench.lookups", *map(str, LOOKED_UP)],
            env=os.environ | dict(program.environment()),
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CannotMeasureError(f"look-ups have failed: {done.stderr[-2000:]}")
        for keys, microseconds in json.loads(done.stdout).items():
            times[_looked_up(int(keys))].append(microseconds)
    title = f"Look-up of a key among {KEYS:,}, each another"
    return Series("keys.lookup", title, "µs", Better.LOWER, times)


def _looked_up(keys: int) -> str:
    return GATE if keys == KEYS else f"{keys:,} keys"
