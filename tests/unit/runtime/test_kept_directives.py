"""What was asked of upstreams last, kept for a start while the store is away."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.maintenance import Directive
from headgate.runtime.kept_directives import KeptDirectives, NotKeptError
from tests.support.maintenance_suite import PARKED

OTHER = replace(PARKED, upstream="other", park=None)
STORE = "PostgreSQL at db:5432/gates"


@pytest.fixture
def kept(tmp_path: Path) -> KeptDirectives:
    return KeptDirectives(tmp_path / "data", STORE)


def test_what_was_written_is_read_by_the_next_gate(kept: KeptDirectives) -> None:
    asked = {"default": PARKED, "other": OTHER, "third": Directive("third", 7)}
    kept.write(asked)
    again = KeptDirectives(kept.path.parent, STORE)
    assert again.read() == {"default": PARKED, "other": OTHER}
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(kept.path.parent) == [kept.path.name]


def test_there_is_no_file_while_nothing_is_asked(kept: KeptDirectives) -> None:
    kept.write({"default": Directive("default", 3)})
    assert not kept.path.exists()
    assert kept.read() == {}
    kept.write({"default": PARKED})
    kept.write({"default": Directive("default", 5)})
    assert not kept.path.exists()


def test_what_a_gate_before_has_left_goes_once_nothing_is_asked(kept: KeptDirectives) -> None:
    kept.write({"default": PARKED})
    again = KeptDirectives(kept.path.parent, STORE)
    again.write({})
    assert not kept.path.exists()


def test_what_another_store_has_said_means_nothing(kept: KeptDirectives) -> None:
    kept.write({"default": PARKED})
    other = KeptDirectives(kept.path.parent, "another")
    assert other.read() == {}
    other.path.write_bytes(kept.path.read_bytes())
    assert other.read() == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"format": 1}',
        b'{"format": 2, "store": "x", "directives": []}',
        json.dumps({"format": 1, "store": STORE, "directives": [{}]}).encode(),
        json.dumps({"format": 1, "store": STORE, "directives": 7}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_not_headgates_is_named_and_not_followed(
    kept: KeptDirectives, text: bytes
) -> None:
    kept.path.parent.mkdir()
    kept.path.write_bytes(text)
    with pytest.raises(NotKeptError, match=r"^(cannot be understood|was written by another)"):
        kept.read()


def test_a_link_is_not_followed(kept: KeptDirectives, tmp_path: Path) -> None:
    kept.write({"default": PARKED})
    kept.path.rename(tmp_path / "elsewhere")
    kept.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotKeptError, match="cannot be read"):
        kept.read()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = KeptDirectives(tmp_path / "file" / "data", STORE)
    with pytest.raises(NotKeptError, match="cannot be written: Not a directory"):
        kept.write({"default": PARKED})


def test_a_file_that_could_not_be_replaced_stays_whole(
    kept: KeptDirectives, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write({"default": PARKED})

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotKeptError, match="No space left"):
        kept.write({"default": replace(PARKED, revision=9)})
    assert kept.read() == {"default": PARKED}
    assert os.listdir(kept.path.parent) == [kept.path.name]
    monkeypatch.undo()
    kept.write({"default": replace(PARKED, revision=9)})
    assert kept.read()["default"].revision == 9
