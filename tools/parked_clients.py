"""Parks two gates under waiting clients of every kind and prints what each kind saw, as a table.

``python -m tools.parked_clients`` takes about five minutes and 6 GB; the page
``docs/explanation/parking.md`` has the figures of one run.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support.mlflow_versions import CURRENT
from tests.support.parked_clients import PLAIN, Crowd, Park, Report, split, watch
from tests.support.parked_clients_load import MLFLOW_KINDS
from tests.support.parked_clients_scene import parked_scene
from tests.support.parked_clients_world import make_target

VERSIONS: Final = ("2.22.5", "3.5.1", CURRENT)
BIG: Final = 30
"""Clients with a large upload, at most: each has 32 MiB."""
MIB: Final = 1 << 20


def main(arguments: Sequence[str]) -> int:
    """Run it; 1: a client of MLflow failed, or something was lost or doubled."""
    options = _parse(arguments)
    kinds = dict.fromkeys(options.kinds or (*MLFLOW_KINDS, *PLAIN), options.clients)
    if "big upload" in kinds:
        kinds["big upload"] = min(BIG, options.clients)
    with (
        tempfile.TemporaryDirectory(prefix="parked-") as folder,
        parked_scene(Path(folder), sqlite=options.sqlite, away=options.away) as at,
    ):
        target = make_target(at.mlflow, "parked")
        parts = split(kinds, VERSIONS)
        crowds = [
            Crowd(version, at.key(f"crowd-{number}"), clients, number % 2)
            for number, (version, clients) in enumerate(parts)
        ]

        def begin() -> None:
            at.park(options.seconds + 60)

        def during() -> None:
            _say(f"waiting at the gates: {at.waiting():,}\n")

        park = Park(options.seconds, options.spread, begin, at.unpark, during)
        report = watch(crowds, at.gates, at.mlflow, target, park)
    _show(report, options.seconds)
    kept = [row for row in report.rows if row.kind in MLFLOW_KINDS]
    failed = sum(row.failed + row.lost + row.doubled for row in kept)
    return 1 if failed else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.parked_clients", description=__doc__)
    add = parser.add_argument
    add("--clients", type=int, default=200, help="of each kind (200)")
    add("--seconds", type=float, default=180.0, help="of the park (180)")
    add("--spread", type=float, default=60.0, help="seconds within which the clients start (60)")
    add("--kinds", nargs="+", choices=(*MLFLOW_KINDS, *PLAIN), help="only these (all)")
    add("--sqlite", action="store_true", help="MLflow keeps its data in SQLite, not in PostgreSQL")
    add("--away", type=float, default=0.0, help="seconds from MLflow to PostgreSQL, one way (0)")
    return parser.parse_args(arguments)


def _show(report: Report, seconds: float) -> None:
    day = time.strftime("%Y-%m-%d")
    _say(f"\nparked for {seconds:g} s on {day}, {platform.machine()}, {platform.release()}\n\n")
    _say(report.table())
    for row in report.rows:
        if row.worst:
            _say(f"{row.kind}: {row.worst}\n")
    for name, sizes in (("before", report.before), ("while all waited", report.during)):
        _say(
            f"memory of the gates {name}: {', '.join(f'{size / MIB:.0f} MiB' for size in sizes)}\n"
        )
    _say(f"requests sent to MLflow while it was parked: {report.sent_while_parked()}\n")
    _say(f"requests sent to MLflow in each second after the park: {report.released()}\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
