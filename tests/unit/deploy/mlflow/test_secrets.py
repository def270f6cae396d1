"""The URL of the database is in no command line, and in no message."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from headgate.deploy.mlflow.databases.urls import parts_of
from headgate.deploy.mlflow.errors import DatabaseError, MigrationError
from headgate.deploy.mlflow.interpreter import migrate
from headgate.deploy.mlflow.programs import last_lines
from headgate.deploy.mlflow.records import Kind, Version

URL = "postgresql+psycopg2://ml:sec%40ret@db.example.com:5432/mlflow?sslmode=require"
VERSION = Version("3.17.2", "d", "/mlflow/3.17.2")


def test_a_url_is_shown_without_its_password() -> None:
    """The address for PostgreSQL's programs has none either."""
    parts = parts_of(URL)
    assert parts.kind is Kind.POSTGRESQL
    assert parts.shown == "postgresql://ml@db.example.com:5432/mlflow"
    assert parts.address == "postgresql://ml@db.example.com:5432/mlflow?sslmode=require"
    assert parts.password == "sec@ret"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql+pymysql://ml:secret@db/mlflow", "the database of MLflow is 'mysql'"),
        ("./mlruns", "the database of MLflow is 'a folder'"),
        ("postgresql://ml:secret@/mlflow", "names no host"),
        ("postgresql://ml:secret@db:port/mlflow", "see its port"),
        ("sqlite:///mlflow.db", "is relative to the folder in which MLflow runs"),
        ("sqlite://", "keeps its data in memory"),
    ],
)
def test_what_cannot_be_saved_is_refused(url: str, said: str) -> None:
    """In a sentence without the password."""
    with pytest.raises(DatabaseError, match=said) as raised:
        parts_of(url)
    assert "secret" not in str(raised.value)


def test_a_relative_path_is_that_of_mlflow(tmp_path: Path) -> None:
    """Where its folder is known."""
    assert parts_of("sqlite:///mlflow.db", tmp_path).path == tmp_path / "mlflow.db"
    assert parts_of("sqlite:////srv/ml%20flow.db?timeout=3").path == Path("/srv/ml flow.db")


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter whose ``mlflow db upgrade`` shows how it was called."""
    package = tmp_path / "packages/mlflow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "db.py").write_text(
        "import os, pathlib\n"
        "def commands(arguments, standalone_mode):\n"
        "    line = pathlib.Path('/proc/self/cmdline').read_text()\n"
        "    parent = pathlib.Path(f'/proc/{os.getppid()}/cmdline').read_text()\n"
        "    assert arguments[1] not in line + parent\n"
        "    assert arguments[1] not in ' '.join(os.environ.values())\n"
        "    raise RuntimeError(f'refused by {arguments[1]}')\n",
        encoding="utf-8",
    )
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH={package.parent} exec {sys.executable} "$@"\n', encoding="utf-8"
    )
    python.chmod(0o755)
    return python


def test_a_migration_has_its_url_in_no_command_line(mlflow: Path, tmp_path: Path) -> None:
    """And what MLflow says of it is shown without the URL."""
    with pytest.raises(MigrationError, match=r"refused by \[secret\]") as raised:
        migrate(mlflow, VERSION, URL, 60.0, tmp_path)
    assert "sec" not in str(raised.value).replace("[secret]", "")


def test_a_migration_that_takes_too_long_is_ended(mlflow: Path, tmp_path: Path) -> None:
    """With everything that it started."""
    (tmp_path / "packages/mlflow/db.py").write_text(
        "import subprocess\n"
        "def commands(arguments, standalone_mode):\n"
        "    subprocess.run(['sleep', '600'])\n",
        encoding="utf-8",
    )
    with pytest.raises(MigrationError, match="did not end in 1 s, and was ended"):
        migrate(mlflow, VERSION, URL, 1.0, tmp_path)


@pytest.mark.parametrize("after", range(8192 - 200, 8192 + 1, 7))
def test_a_secret_is_hidden_though_only_its_end_is_shown(after: int) -> None:
    """The last bytes of what a program said may begin in the middle of it."""
    with tempfile.TemporaryFile() as errors:
        errors.write(b"before " + URL.encode() + b"x" * after)
        said = last_lines(errors, URL)
    assert len(said) <= 8192
    assert not any(URL[-length:] in said for length in range(10, len(URL)))
