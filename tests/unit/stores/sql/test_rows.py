"""Rows of the key store that Headgate did not write: skipped, named, and harmful to no other."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import HeadgateError
from headgate.stores import KeyState, UnreadableKey
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import everything, key, put

LOOSE = """
CREATE TABLE keys (
    serial INTEGER PRIMARY KEY, id, name, digest, created_at, expires_at, revoked_at, roles,
    roles_edition DEFAULT 2
);
INSERT INTO keys VALUES (1, 'k_00000001', 'good', zeroblob(32), 1, NULL, NULL, 'viewer', 2);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 3;
"""
"""A store without any rule, as if all of them had been got round."""

OLD_COLUMNS = (
    *("id", "name", "digest", "created_at", "expires_at", "revoked_at", "roles"),
    "roles_edition",
)
NEW_COLUMNS = (
    *("full_roles", "principal_id", "description", "narrowing", "created_by", "replaces"),
    "break_glass",
)
COLUMNS = OLD_COLUMNS + NEW_COLUMNS
OLD_FIT = ("k_00000002", "other", b"\x01" * 32, 2, 20, 15, "writer publisher", 2)
FIT = (*OLD_FIT, "writer", "p_00000002", "text\n", '["read:runs"]', "cli", "k_00000001", "")
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(max_size=40),
    st.sampled_from(["tomorrow", "2027-01-01", "", "1e3", b"\xff" * 32, 253_402_300_800, -1]),
)


def opened(path: Path, *, create: bool = True) -> SqlIdentityStore:
    return SqlIdentityStore(SqliteDatabase(path, create=create))


def insert(path: Path, values: tuple[object, ...], *, as_text: bool = False) -> None:
    """With a value for each of the first columns."""
    marks = ", ".join("CAST(? AS TEXT)" if as_text and type(v) is bytes else "?" for v in values)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(
            f"INSERT INTO keys ({', '.join(COLUMNS[: len(values)])}) VALUES ({marks})",  # noqa: S608
            values,
        )
        connection.commit()


@given(st.data(), st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True), st.booleans())
def test_any_value_in_any_column_harms_that_row_alone(
    data: st.DataObject, columns: list[str], as_text: bool
) -> None:
    """It is read as it is or named; what is read can be used: compared, shown, written as JSON."""
    values = tuple(
        data.draw(VALUES) if column in columns else fit
        for column, fit in zip(COLUMNS, FIT, strict=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keys.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.executescript(LOOSE)
        opened(path, create=False).close()
        insert(path, values, as_text=as_text)
        with opened(path, create=False) as store:
            found = everything(store)
    assert found.keys[0].name == "good"
    assert len(found.keys) + len(found.unreadable) == 2
    for row in found.unreadable:
        assert str(row).isprintable()
    for record in found.keys:
        assert record.state(1_000) in KeyState
        assert f"{record.id}{record.name}{record.roles}".isprintable()
        assert len(record.digest) == 32
        if record.id == FIT[0]:
            assert record.expires_at is None or type(record.expires_at) is int


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("expires_at", "tomorrow", "expires_at is text, not whole seconds since 1970"),
        ("expires_at", 5.5, "expires_at is a number with a fraction, not whole seconds since 1970"),
        ("revoked_at", b"", "revoked_at is a blob of 0 bytes, not whole seconds since 1970"),
        ("created_at", -1, "created_at is not a time between the years 1970 and 9999"),
        ("expires_at", 2**60, "expires_at is not a time between the years 1970 and 9999"),
        ("name", b"ada", "name is a blob of 3 bytes, not text"),
        ("name", "a\x1b[31m", "name has characters that cannot be shown"),
        ("id", "", "id is empty"),
        ("roles", b"admin", "roles is a blob of 5 bytes, not text"),
        ("full_roles", b"x", "full_roles is a blob of 1 bytes, not text"),
        ("principal_id", "", "principal_id is empty"),
        ("narrowing", "read:runs", "narrowing is not a JSON array of grants"),
        ("narrowing", "[1]", "narrowing is not a JSON array of grants"),
        ("narrowing", "", "narrowing is empty"),
        ("break_glass", b"", "break_glass is a blob of 0 bytes, not text"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, column: str, value: object, why: str) -> None:
    path = tmp_path / "keys.sqlite"
    with opened(path) as store:
        put(store, key(9, name="good"))
        values = dict(zip(COLUMNS, FIT, strict=True)) | {column: value}
        insert(path, tuple(values.values()))
        found = everything(store)
    assert [record.name for record in found.keys] == ["good"]
    (row,) = found.unreadable
    assert (row.serial, row.why) == (2, why)


def test_text_that_is_not_utf8_is_a_bad_row_not_a_bad_store(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    with opened(path) as store:
        insert(path, (FIT[0], b"\xff\xfe", *FIT[2:]), as_text=False)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE keys SET name = CAST(name AS TEXT)")
            connection.commit()
        assert list(everything(store).unreadable) == [
            UnreadableKey(
                1, "'k_00000002', '\\udcff\\udcfe'", "name has characters that cannot be shown"
            )
        ]


@pytest.mark.parametrize(
    ("column", "value"),
    [("expires_at", "tomorrow"), ("created_at", 1.5), ("revoked_at", -1), ("roles", b"x")],
)
def test_the_schema_refuses_such_rows(tmp_path: Path, column: str, value: object) -> None:
    """In a store made new, and in one that was changed from an older schema."""
    new, old = tmp_path / "new.sqlite", tmp_path / "old.sqlite"
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.executescript(LOOSE.replace("user_version = 3", "user_version = 2"))
    for path in (new, old):
        opened(path).close()
        values = dict(zip(OLD_COLUMNS, OLD_FIT, strict=True)) | {column: value}
        with (
            contextlib.closing(sqlite3.connect(path)) as connection,
            pytest.raises(sqlite3.IntegrityError, match="CHECK"),
        ):
            connection.execute(
                f"INSERT INTO keys ({', '.join(OLD_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                tuple(values.values()),
            )


def test_bad_rows_of_an_older_store_are_kept_and_block_nothing(tmp_path: Path) -> None:
    """So that they can be mended; afterwards the rules hold again."""
    path = tmp_path / "keys.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(LOOSE.replace("user_version = 3", "user_version = 2"))
    insert(path, (*OLD_FIT[:4], "tomorrow", *OLD_FIT[5:]))
    with opened(path) as store:
        assert [record.name for record in everything(store).keys] == ["good"]
        assert [row.serial for row in everything(store).unreadable] == [2]
        with pytest.raises(HeadgateError, match="CHECK"):
            put(store, key(3, created_at=-5))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE keys SET expires_at = 20 WHERE serial = 2")
        connection.commit()
    with opened(path) as store:
        assert [record.name for record in everything(store).keys] == ["good", "other"]
