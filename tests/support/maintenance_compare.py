"""What MLflow's clients notice of an upgrade, behind two gates and behind HAProxy.

``python -m tests.support.maintenance_compare`` prints the rows as they are measured, and with
``--write FILE`` writes them for ``docs/explanation/mlflow-upgrades.md``.  ``--only WORD`` selects.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.support.haproxy import running_haproxy_at
from tests.support.maintenance import (
    NEW,
    OLD,
    MaintenanceScene,
    MlflowService,
    MlflowUnit,
    maintenance_scene,
)
from tests.support.maintenance_load import EXPORTER, ClientAt, Verdict, maintenance_load
from tests.support.mlflow_versions import python_with

PAUSE: Final = 0.05
CYCLES: Final = 2
LONG: Final = 180.0
"""Seconds that a migration takes where the row says that it takes three minutes."""
CLIENTS: Final = (NEW, NEW, NEW, OLD)


@dataclass(frozen=True, slots=True)
class Row:
    """One upgrade: the figures of a ``Verdict``, and how it was done.

    Attributes:
        through: what stands before MLflow.
        done: what was done to MLflow, in words.
        database: of MLflow.
        seconds: from the first step to the last.
    """

    through: str
    done: str
    database: str
    seconds: float
    operations: int
    failed: int
    lost: int
    doubled: int
    longest: float
    exports: int
    given_up: int


def _row(through: str, done: str, database: str, seconds: float, found: Verdict) -> Row:
    return Row(
        through,
        done,
        database,
        round(seconds, 1),
        found.operations,
        len(found.failures),
        len(found.lost),
        len(found.doubled),
        round(found.longest, 1),
        found.exports,
        found.given_up,
    )


# --- HAProxy -----------------------------------------------------------------------------------


def _stopped(mlflow: MlflowService) -> None:
    mlflow.upgraded(NEW)


def _killed(mlflow: MlflowService) -> None:
    mlflow.kill()
    mlflow.upgraded(NEW)


def _beneath(mlflow: MlflowService) -> None:
    done = mlflow.migrate(NEW)
    if done.returncode:  # as the operator does who sees it fail: once more
        mlflow.migrate(NEW)
    mlflow.stop()
    mlflow.start(NEW)


def _long(mlflow: MlflowService) -> None:
    mlflow.stop()
    until = time.monotonic() + LONG
    assert mlflow.migrate(NEW).returncode == 0
    threading.Event().wait(max(0.0, until - time.monotonic()))
    mlflow.start(NEW)


WAYS: Final[Mapping[str, Callable[[MlflowService], None]]] = {
    "stopped, migrated, started": _stopped,
    "killed, migrated, started": _killed,
    "migrated while it runs, started again": _beneath,
    "stopped, migrated for three minutes, started": _long,
}


def through_haproxy(folder: Path, database: str, done: str) -> Row:
    """Upgrade behind HAProxy."""
    with (
        maintenance_scene(folder, database) as scene,
        running_haproxy_at(folder, scene.mlflow.port) as haproxy,
        maintenance_load(folder / "clients", _clients([haproxy.url], ""), pause=PAUSE) as load,
    ):
        load.go_on(CYCLES)
        started = time.monotonic()
        WAYS[done](scene.mlflow)
        took = time.monotonic() - started
        load.go_on()
        return _row("HAProxy", done, database, took, load.verdict(scene.mlflow.url))


# --- two gates ---------------------------------------------------------------------------------


def _by_command(scene: MaintenanceScene) -> None:
    assert isinstance(scene.mlflow, MlflowUnit)
    scene.mlflow.unit.add(NEW)
    told = scene.upgrade()
    assert told.code == 0, told


def _by_hand(scene: MaintenanceScene) -> None:
    scene.park()
    _long(scene.mlflow)
    scene.unpark()


PARKED: Final[Mapping[str, Callable[[MaintenanceScene], None]]] = {
    "`headgate mlflow upgrade`": _by_command,
    "parked, migrated for three minutes, unparked": _by_hand,
}


def through_gates(folder: Path, database: str, done: str) -> Row:
    """Upgrade behind two gates."""
    with (
        maintenance_scene(folder, database, unit=PARKED[done] is _by_command) as scene,
        maintenance_load(
            folder / "clients",
            _clients([f"{gate.url}/mlflow" for gate in scene.gates], scene.admin),
            pause=PAUSE,
        ) as load,
    ):
        load.go_on(CYCLES)
        started = time.monotonic()
        PARKED[done](scene)
        took = time.monotonic() - started
        load.go_on()
        return _row("two gates", done, database, took, load.verdict(scene.mlflow.url))


def _clients(urls: Sequence[str], key: str) -> list[ClientAt]:
    return [
        *(
            ClientAt(urls[number % len(urls)], key, f"client-{number}", python_with(version))
            for number, version in enumerate(CLIENTS)
        ),
        ClientAt(urls[-1], key, "exporter", program=EXPORTER),
    ]


def rows(word: str = "") -> list[Row]:
    """Measure, one after the other."""
    cases: list[tuple[Callable[[Path, str, str], Row], str, str]] = [
        (measure, database, done)
        for measure, ways in ((through_haproxy, WAYS), (through_gates, PARKED))
        for done in ways
        for database in ("postgresql", "sqlite")
    ]
    found = []
    for measure, database, done in cases:
        if word not in f"{measure.__name__} {database} {done}":
            continue
        with tempfile.TemporaryDirectory(prefix="headgate-compare-") as folder:
            row = measure(Path(folder), database, done)
        print(json.dumps(asdict(row)), flush=True)  # noqa: T201 - the figures
        found.append(row)
    return found


def main() -> None:
    """Measure, and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    found = [asdict(row) for row in rows(given.only)]
    if given.write:
        given.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
