"""Where the file of a key store lives, and what others could do to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from headgate.errors import HeadgateError
from headgate.stores.sql.sqlite import location
from headgate.stores.sql.sqlite.database import SqliteDatabase
from headgate.stores.sql.store import SqlIdentityStore
from tests.support.identity_suite import changed, everything, key, put

OTHER_USER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store in a folder that every user may write, as a pod's emptyDir is."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    return folder / "keys.sqlite"


def opened(path: Path, *, create: bool = True) -> SqlIdentityStore:
    return SqlIdentityStore(SqliteDatabase(path, create=create))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(path: Path, *, create: bool = True) -> str:
    with pytest.raises(HeadgateError) as caught, opened(path, create=create):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def older_store(path: Path) -> None:
    """A store with one key, where one was before there were folders of their own."""
    before = path.parent.stat().st_mode
    path.parent.chmod(0o700)
    with opened(path) as store:
        put(store, key(1, name="old"))
    path.parent.chmod(before)


def names(path: Path, *, create: bool = True) -> list[str]:
    with opened(path, create=create) as store:
        return [record.name for record in everything(store).keys]


def test_in_a_folder_that_all_may_write_the_store_has_a_folder_of_its_own(path: Path) -> None:
    before = os.umask(0)
    try:
        with opened(path) as store:
            put(store, key(1, name="ci"))
            assert Path(store.location) == path.parent / "private" / "keys.sqlite"
    finally:
        os.umask(before)
    assert mode(path.parent / "private") == 0o700
    assert mode(Path(store.location)) == 0o600
    assert mode(path.parent) == 0o777
    assert not path.exists()
    assert names(path, create=False) == ["ci"]
    assert location.warnings(path) == []


def test_the_folder_may_be_closed_or_opened_later(path: Path) -> None:
    """The store stays where it is, and is found there."""
    with opened(path) as store:
        put(store, key(1, name="ci"))
    path.parent.chmod(0o700)
    assert names(path) == ["ci"]
    path.parent.chmod(0o1777)
    assert names(path, create=False) == ["ci"]


@pytest.mark.parametrize("create", [True, False])
def test_an_older_store_moves_there_once(path: Path, create: bool) -> None:
    older_store(path)
    for _ in range(2):
        assert names(path, create=create) == ["old"]
        assert not path.exists()
        assert mode(path.parent / "private") == 0o700


def test_a_gate_follows_a_store_that_moves(path: Path) -> None:
    """A folder that is opened under a running gate: the next command moves the store."""
    path.parent.chmod(0o700)
    with opened(path) as store:
        before = everything(store).position
        path.parent.chmod(0o777)
        with opened(path, create=False) as other:
            put(other, key(2, name="new"))
        assert [record.name for record in changed(store, before).keys] == ["new"]


def test_another_store_beside_its_folder_is_reported_and_not_used(path: Path) -> None:
    with opened(path) as store:
        put(store, key(1, name="ci"))
    path.write_bytes(Path(store.location).read_bytes())
    assert names(path) == ["ci"]
    (warning,) = location.warnings(path)
    assert warning.startswith(f"{path} is not used: the key store is {store.location}")


def test_an_older_store_that_is_being_written_is_not_torn_from_its_journal(path: Path) -> None:
    older_store(path)
    path.with_name("keys.sqlite-journal").write_bytes(b"")
    assert "is being written, or a write was broken off" in refused(path)
    assert path.exists()


def test_a_link_in_the_place_of_an_older_store_is_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "keys.sqlite"
    other.parent.mkdir()
    older_store(other)
    path.symlink_to(other)
    assert "it could have been put there" in refused(path)
    path.unlink()
    os.link(other, path)
    assert "it could have been put there" in refused(path)
    assert other.exists()


def test_a_link_in_the_place_of_its_folder_is_not_followed(path: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    with opened(evil / "keys.sqlite") as store:
        put(store, key(1, name="evil"))
    (path.parent / "private").symlink_to(evil)
    for create in (True, False):
        assert f"{path.parent / 'private'} is not a folder" in refused(path, create=create)
    with pytest.raises(HeadgateError, match="is not a folder"):
        location.warnings(path)


def test_a_dangling_link_is_none_either(path: Path, tmp_path: Path) -> None:
    (path.parent / "private").symlink_to(tmp_path / "nowhere")
    assert "is not a folder" in refused(path)


@needs_root
def test_a_folder_that_another_user_made_first_is_refused(path: Path) -> None:
    own = path.parent / "private"
    with opened(path) as store:
        put(store, key(1, name="evil"))
    os.chown(own, OTHER_USER, OTHER_USER)
    for create in (True, False):
        assert f"{own} belongs to another user ({OTHER_USER})" in refused(path, create=create)


@needs_root
def test_an_older_store_of_another_user_is_refused(path: Path) -> None:
    older_store(path)
    os.chown(path, OTHER_USER, OTHER_USER)
    assert "it could have been put there" in refused(path)


@needs_root
@pytest.mark.parametrize("depth", [1, 2])
def test_a_data_folder_that_another_user_made_where_all_may_write_is_refused(
    path: Path, depth: int
) -> None:
    folder = path.parent.joinpath(*"ab"[:depth])
    folder.mkdir(parents=True)
    with opened(folder / "keys.sqlite") as store:
        put(store, key(1, name="evil"))
    os.chown(path.parent / "a", OTHER_USER, OTHER_USER)
    assert "a belongs to another user" in refused(folder / "keys.sqlite")
    os.chown(path.parent / "a", 0, 0)
    assert names(folder / "keys.sqlite") == ["evil"]


def test_a_file_system_that_knows_one_user_only_is_no_other_user(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files seem to be another's there, those that are made now too."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with opened(path) as store:
        put(store, key(1, name="ci"))
    assert names(path, create=False) == ["ci"]


def test_its_folder_made_open_is_refused_or_closed(path: Path) -> None:
    """By others' bits somebody may have been in; the group's alone are taken away."""
    opened(path).close()
    own = path.parent / "private"
    own.chmod(0o770)
    opened(path).close()
    assert mode(own) == 0o700
    own.chmod(0o777)
    assert f"every user can write {own}" in refused(path)


@pytest.mark.parametrize("bits", [0o666, 0o602, 0o622])
def test_a_file_that_all_may_write_is_refused(tmp_path: Path, bits: int) -> None:
    """At the start, by every command, at ``check``; a running gate keeps the keys it knows."""
    path = tmp_path / "keys.sqlite"
    with opened(path) as store:
        path.chmod(bits)
        with pytest.raises(HeadgateError, match="every user of this machine can write"):
            store.changes(None)
        for create in (True, False):
            assert f"(mode {bits:04o})" in refused(path, create=create)
        with pytest.raises(HeadgateError, match=r"run chmod 600 on it, then look"):
            location.warnings(path)
        path.chmod(0o600)
        store.changes(None)


@pytest.mark.parametrize(
    ("bits", "told"),
    [(0o600, []), (0o640, []), (0o644, ["read by every"]), (0o660, ["written by the group"])],
)
def test_unsafe_permissions_are_reported(tmp_path: Path, bits: int, told: list[str]) -> None:
    path = tmp_path / "keys.sqlite"
    assert location.warnings(path) == []
    opened(path).close()
    path.chmod(bits)
    found = location.warnings(path)
    assert len(found) == len(told)
    assert all(words in warning for words, warning in zip(told, found, strict=True))
    opened(path).close()


def test_a_relative_path_is_judged_like_any_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    assert location.find(Path("keys.sqlite")) == Path("private/keys.sqlite")
    opened(Path("keys.sqlite")).close()
    assert (path.parent / "private" / "keys.sqlite").exists()
