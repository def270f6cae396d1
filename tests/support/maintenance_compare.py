"""What MLflow's clients notice of an upgrade, behind two gates and behind HAProxy: one command.

Both stand before the same MLflow at the same time, each with clients of its own, so that both see
the same upgrade.  ``python -m tests.support.maintenance_compare`` prints each row as it is measured
and the whole table in the end; with ``--write FILE`` the rows go to that file, from which
``make docs`` makes the page.  ``--only WORD`` selects.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from docs.reference_pages.mlflow_upgrades import comparison_table
from tests.support.haproxy import running_haproxy_at
from tests.support.maintenance import NEW, OLD, MaintenanceScene, MlflowUnit, maintenance_scene
from tests.support.maintenance_load import MaintenanceLoad, clients_at, maintenance_load
from tests.support.maintenance_unit import UNFIT

PAUSE: Final = 0.2
CYCLES: Final = 2
LONG: Final = 180.0
"""Seconds for which MLflow is stopped where the row says that its migration takes so long."""
PARK: Final = 900.0
"""Seconds of the park meanwhile: MLflow has to start as well, on a machine that may be busy."""
GATES: Final = "two gates"
HAPROXY: Final = "HAProxy"
KINDS: Final = ("postgresql", "sqlite")


def _upgraded(scene: MaintenanceScene) -> None:
    assert isinstance(scene.mlflow, MlflowUnit)
    scene.mlflow.unit.add(NEW)
    told = scene.upgrade()
    assert told.code == 0, told


def _restored(scene: MaintenanceScene) -> None:
    assert isinstance(scene.mlflow, MlflowUnit)
    told = scene.upgrade("--to", str(scene.mlflow.unit.add(NEW, UNFIT)))
    assert told.code == 3, told


def _short(scene: MaintenanceScene) -> None:
    assert isinstance(scene.mlflow, MlflowUnit)
    scene.mlflow.unit.add(NEW)
    scene.park(PARK)
    scene.mlflow.upgraded(NEW)
    scene.unpark()


def _long(scene: MaintenanceScene) -> None:
    scene.park(PARK)
    scene.mlflow.stop()
    until = time.monotonic() + LONG
    done = scene.mlflow.migrate(NEW)
    assert done.returncode == 0, done.stderr[-4000:]
    threading.Event().wait(max(0.0, until - time.monotonic()))
    _start_new(scene)
    scene.unpark()


def _beneath(scene: MaintenanceScene) -> None:
    if scene.mlflow.migrate(NEW).returncode:  # as the operator does who sees it fail: once more
        scene.mlflow.migrate(NEW)
    scene.mlflow.stop()
    _start_new(scene)


def _start_new(scene: MaintenanceScene) -> None:
    assert isinstance(scene.mlflow, MlflowUnit)
    scene.mlflow.unit.add(NEW)
    scene.mlflow.start(NEW)


CASES: Final[Mapping[str, Callable[[MaintenanceScene], None]]] = {
    "stopped, migrated and started": _short,
    f"stopped for {LONG:.0f} s by a long migration": _long,
    "upgraded by `headgate mlflow upgrade`": _upgraded,
    "upgraded to a version that fails verification, and restored": _restored,
    "migrated while it runs, then replaced": _beneath,
}


def measured(folder: Path, database: str, case: str) -> list[dict[str, Any]]:
    """One upgrade, as the clients of both see it; a migration beneath has no gates to park."""
    fronts = (HAPROXY,) if CASES[case] is _beneath else (GATES, HAPROXY)
    with ExitStack() as stack:
        scene = stack.enter_context(maintenance_scene(folder, database, unit=True))
        haproxy = stack.enter_context(running_haproxy_at(folder, scene.mlflow.port))
        urls = {GATES: [f"{gate.url}/mlflow" for gate in scene.gates], HAPROXY: [haproxy.url]}
        loads: dict[str, MaintenanceLoad] = {}
        for front in fronts:
            label = front.split()[-1].lower()
            clients = clients_at(
                urls[front], scene.admin if front == GATES else "", label, (NEW, OLD)
            )
            loads[front] = stack.enter_context(
                maintenance_load(folder / label, clients, pause=PAUSE)
            )
        for load in loads.values():
            load.go_on(CYCLES)
        began = time.monotonic()
        CASES[case](scene)
        took = round(time.monotonic() - began, 1)
        for load in loads.values():
            load.go_on()
        return [
            {
                "through": front,
                "done": case,
                "database": database,
                "seconds": took,
                **load.verdict(scene.mlflow.url).figures(),
            }
            for front, load in loads.items()
        ]


def rows(word: str = "") -> list[dict[str, Any]]:
    """Measure, one upgrade after the other."""
    found: list[dict[str, Any]] = []
    for case in CASES:
        for database in KINDS:
            if word not in f"{database} {case}":
                continue
            with tempfile.TemporaryDirectory(prefix="headgate-compare-") as folder:
                for row in measured(Path(folder), database, case):
                    sys.stdout.write(json.dumps(row) + "\n")
                    sys.stdout.flush()
                    found.append(row)
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    found = rows(given.only)
    sys.stdout.write(comparison_table(found))
    if given.write:
        given.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
