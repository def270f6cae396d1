"""A snapshot for which there is no room: said in a sentence, and it takes none."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from headgate.deploy.mlflow.databases.sqlite import SqliteDatabase
from headgate.deploy.mlflow.errors import DatabaseError
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    SqliteDatabase(Path(sys.argv[1])).snapshot(Path(sys.argv[2]), 1.0)
except DatabaseError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of a file's size here")
def test_what_was_written_of_it_is_removed(tmp_path: Path) -> None:
    """The system ends it at 64 KiB, as a quota does."""
    file = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("create table alembic_version (version_num)")
        database.execute("insert into alembic_version values ('b')")
        database.execute("create table data (content)")
        database.execute("insert into data values (zeroblob(500000))")
    folder = tmp_path / "state"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(folder / "mlflow-3.14.0-1")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "mlflow.db cannot be copied to" in done.stdout, done.stderr
    assert list(folder.iterdir()) == []
