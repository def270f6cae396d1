"""MLflow as a unit of a stand-in for systemd, in versions that are good and bad in each way."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.mlflow_versions import python_with
from tests.support.processes import clean_environment

UNIT: Final = "mlflow.service"
PROGRAM: Final = Path(__file__).with_name("systemctl.py")
SECONDS: Final = 180.0
BROKEN: Final = "broken"
"""The folder of a new version whose migration fails when some of its steps have been committed."""
UNFIT: Final = "unfit"
"""The folder of a new version that starts, and takes no artifact."""
DEAF: Final = "deaf"
"""The folder of a new version that does not start."""
_STEPS_BEFORE: Final = 3
FAILING_MIGRATION: Final = f"""
import alembic.runtime.migration as migration
whole, seen = migration.HeadMaintainer.update_to_step, []
def update(self, step):
    whole(self, step)
    seen.append(step)
    if len(seen) == {_STEPS_BEFORE}:
        connection = self.context.connection
        if connection.dialect.name == "sqlite":
            connection.connection.commit()
        else:
            connection.exec_driver_sql("COMMIT")
        raise RuntimeError("the disk is full after {_STEPS_BEFORE} steps")
migration.HeadMaintainer.update_to_step = update
"""
"""A ``sitecustomize`` with which a step of a migration fails, on a database which does not undo the
steps before it; on PostgreSQL, too."""
_FAIL: Final = 'import os\nif "HEADGATE_MLFLOW_DATABASE_URL" in os.environ:\n' + textwrap.indent(
    FAILING_MIGRATION, "    "
)


class Unit:
    """The unit, and the folder with the versions that it may run.

    Args:
        folder: where the versions are, and ``current``, the link to the one in use.
        options: of ``mlflow server``.
        environment: beside what this process has.
        first: the version that ``current`` leads to.
    """

    def __init__(
        self, folder: Path, options: Sequence[str], environment: Mapping[str, str], first: str
    ) -> None:
        self.folder = folder
        self.link = folder / "current"
        self._at = folder / "bin"
        self.systemctl = self._at / "systemctl"
        unit = self._at / "unit"
        unit.mkdir(parents=True)
        shutil.copy(PROGRAM, self.systemctl)
        self.systemctl.chmod(0o755)
        (self._at / "name").write_text(UNIT, encoding="utf-8")
        command = [str(self.link / "bin/python"), "-m", "mlflow", "server", *options]
        (unit / "command").write_text(json.dumps(command), encoding="utf-8")
        variables = clean_environment() | dict(environment)
        (unit / "environment").write_text(json.dumps(variables), encoding="utf-8")
        self.link.symlink_to(first)
        self.add(first)

    def add(self, version: str, name: str = "") -> Path:
        """Install a version, under another name if one is given; its folder."""
        place = self.folder / (name or version)
        environment = python_with(version).parent.parent
        if not name:
            place.symlink_to(environment)
            return place
        (place / "bin").mkdir(parents=True)
        python = shlex.quote(str(environment / "bin/python"))
        served = 'case "$*" in *"mlflow server"*)'
        script = {
            BROKEN: f'PYTHONPATH={shlex.quote(str(place))} exec {python} "$@"',
            UNFIT: f'{served} exec {python} "$@" --no-serve-artifacts;; esac\nexec {python} "$@"',
            DEAF: f'{served} echo "no memory"; exit 3;; esac\nexec {python} "$@"',
        }[name]
        if name == BROKEN:
            (place / "sitecustomize.py").write_text(_FAIL, encoding="utf-8")
        program = place / "bin/python"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        return place

    def go(self, version: str) -> None:
        """Let ``current`` lead to a version, and start the unit."""
        self.link.unlink()
        self.link.symlink_to(version)
        self.do("start")

    def version(self) -> str:
        """The version that ``current`` leads to."""
        return self.link.readlink().name

    def do(self, verb: str) -> str:
        """What ``systemctl`` prints."""
        options = ("--property=all",) if verb == "show" else ()
        done = subprocess.run(
            [sys.executable, str(self.systemctl), verb, UNIT, *options],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
        return done.stdout

    @property
    def log(self) -> str:
        """What the unit has said."""
        return (self._at / "unit/log").read_text(encoding="utf-8", errors="replace")
