"""A PostgreSQL server of its own, as several MLflow servers share one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.debian import POSTGRESQL, require
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

START_SECONDS = 60.0
_USER = "postgres"  # Debian's package makes it; the server refuses to run as root


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Run a server until the block ends; yields SQLAlchemy's URL of a database of it.

    Its data is in a folder of its own; what it logs is in ``folder``.
    """
    binaries = require(POSTGRESQL).parent
    as_root = os.geteuid() == 0
    prefix = ["runuser", "-u", _USER, "--"] if as_root else []
    with tempfile.TemporaryDirectory(prefix="headgate-postgres-") as name:
        # Not below ``folder``: pytest's folders are closed to every other user.
        data = Path(name)
        if as_root:
            shutil.chown(data, _USER)
        initdb = [*prefix, str(binaries / "initdb"), "-D", name, "-U", _USER, "-A", "trust"]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/")
        yield from _serving([*prefix, str(binaries / "postgres")], data, folder)


def _serving(program: list[str], data: Path, folder: Path) -> Iterator[str]:
    port = free_port()
    command = [
        *program,
        *("-D", str(data), "-p", str(port), "-k", str(data), "-h", "127.0.0.1"),
        *("-c", "fsync=off", "-c", "max_connections=200"),
    ]
    with ServerProcess(command, {}, folder, "postgres") as process:
        process.wait_for_line("ready to accept connections", START_SECONDS)
        yield f"postgresql+psycopg2://{_USER}@127.0.0.1:{port}/{_USER}"
