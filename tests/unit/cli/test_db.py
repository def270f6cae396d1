"""``headgate db``, on a file."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from headgate.cli import main
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import key, put
from tests.unit.stores.older import SCHEMA_2


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(*arguments: str, data: Path) -> int:
    return main(["db", *arguments, "--data", str(data)])


def test_there_is_no_store_until_it_is_made(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "current"):
        assert run(command, data=data) == 2
        assert "there is no key store at" in capsys.readouterr().err
    assert not data.exists()
    assert run("upgrade", data=data) == 0
    assert "made, with schema 6" in capsys.readouterr().out
    assert run("upgrade", data=data) == 0
    assert "has schema 6 already" in capsys.readouterr().out
    assert run("check", data=data) == 0


def test_a_check_leaves_nothing_behind(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SqlIdentityStore(SqliteDatabase(data / "keys.sqlite")) as store:
        put(store, key(1))
        before = store.changes(None)
        assert run("check", "--json", data=data) == 0
        assert before is not None
        assert store.changes(before.position) is None
    facts = json.loads(capsys.readouterr().out)
    assert (facts["ok"], facts["schema"], facts["keys"], facts["changes"]) == (True, 6, 1, 1)


def test_an_older_store_needs_an_upgrade_and_is_not_touched_by_a_look(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.mkdir()
    file = data / "keys.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(SCHEMA_2)
    before = file.read_bytes()
    assert run("check", data=data) == 1
    assert "due: 'headgate db upgrade'" in capsys.readouterr().out
    assert run("current", "--json", data=data) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 2
    assert file.read_bytes() == before
    assert run("upgrade", data=data) == 0
    assert "upgraded from schema 2 to 6" in capsys.readouterr().out
    assert run("check", data=data) == 0


def test_a_store_that_cannot_be_written_is_unusable(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("upgrade", data=data) == 0
    with contextlib.closing(sqlite3.connect(data / "keys.sqlite")) as connection:
        connection.executescript(
            "CREATE TRIGGER full BEFORE INSERT ON principals BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    assert run("check", data=data) == 2
    assert "cannot be kept" in capsys.readouterr().err


def test_a_newer_store_that_serves_this_version_fits(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("upgrade", data=data) == 0
    with contextlib.closing(sqlite3.connect(data / "keys.sqlite")) as connection:
        connection.executescript("UPDATE alembic_version SET version_num = '8'")
        assert run("check", data=data) == 0
        connection.executescript("UPDATE store_state SET serves_from = 7")
    assert run("check", data=data) == 2
    said = capsys.readouterr().err
    assert "has schema 8, which serves no Headgate below schema 7, and this one knows 6" in said
    assert said.count("\n") == 1
