"""Measures what one call of a client does at a server that treats it as a parked gate would.

``python -m tests.support.parked_clients_measure`` makes every kind of call with every version and
prints a table, in about five minutes: urllib3's waits are noted and not slept.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.parked_clients_calls import KINDS
from tests.support.parked_clients_standin import Attempt, Script, Seen, stand_in
from tests.support.processes import clean_environment

VERSIONS: Final = ("2.22.5", "3.5.1", CURRENT)
SECONDS: Final = 1500.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one call.

    Attributes:
        ok: whether the call succeeded, as its caller sees it.
        error: what was raised; empty: nothing.
        log: what the client logged.
        sleeps: the seconds that urllib3 waited between attempts, or would have.
        seconds: how long the call took.
        requests: the scripted ones as they arrived.
    """

    ok: bool
    error: str
    log: str
    sleeps: tuple[float, ...]
    seconds: float
    requests: tuple[Seen, ...]


def measure(
    version: str,
    kind: str,
    script: Script,
    *,
    skip: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Finding:
    """Let a client make one call; with ``skip`` it does not sleep between its attempts.

    Raises:
        AssertionError: the program of the client failed otherwise than by its call.
    """
    module = "tests.support.parked_clients_calls"
    with stand_in(script) as uri, tempfile.TemporaryDirectory() as home:
        settings = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_PYTHON_REFRESH": "quiet",
            "HOME": home,
        }
        done = subprocess.run(
            [python_with(version), "-m", module, kind, *(["--skip"] if skip else [])],
            env=clean_environment() | settings | dict(environment or {}),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return Finding(
        found["ok"],
        found["error"],
        found["log"],
        tuple(found["sleeps"]),
        found["seconds"],
        tuple(script.seen),
    )


def script(kind: str, *attempts: Attempt, last: Attempt | None = None) -> Script:
    """A script for that kind of call: after ``attempts`` all is well, or ``last``."""
    return Script(KINDS[kind][0], attempts, last or Attempt(status=200))


def _row(case: tuple[str, str, str]) -> str:
    version, kind, after = case
    found = measure(version, kind, script(kind, last=Attempt(retry_after=after)))
    waits = " ".join(f"{each:g}" for each in found.sleeps) or "-"
    shown = after or "none"
    return f"| {version} | {kind} | {shown} | {len(found.requests)} | {waits} | {found.seconds} |"


def main() -> None:
    """Print what each kind of call does when it gets 429 each time."""
    cases = itertools.product(VERSIONS, KINDS, ("30", ""))
    write = sys.stdout.write
    write("| Client | Call | `Retry-After` | Attempts | Waits, s | Seconds |\n")
    write("| --- | --- | --- | --- | --- | --- |\n")
    with ThreadPoolExecutor(4) as pool:
        for row in pool.map(_row, cases):
            write(row + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
