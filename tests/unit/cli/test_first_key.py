"""The first key: made once, never lost unseen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headgate.auth.keys import form
from headgate.cli import first_key
from headgate.config import Config
from headgate.stores import KeyState
from tests.support.keys import make_key, revoke_key, stored_keys


def states(data: Path) -> list[tuple[str, KeyState]]:
    return [(record.name, record.state(time.time())) for record in stored_keys(data)]


def test_an_empty_store_gets_a_key_that_opens_the_gate(tmp_path: Path) -> None:
    with first_key.ensure(Config(data=tmp_path)) as first:
        first.was_shown = True

    assert first.secret is not None
    assert first.others == ()
    (record,) = stored_keys(tmp_path)
    assert record.digest == form.digest(first.secret)
    assert record.roles == ("admin",)
    assert states(tmp_path) == [("first", KeyState.ACTIVE)]


def test_a_store_with_a_working_key_is_left_alone(tmp_path: Path) -> None:
    make_key(tmp_path, "ci")

    with first_key.ensure(Config(data=tmp_path)) as first:
        pass

    assert (first.secret, first.others) == (None, ("ci",))
    assert states(tmp_path) == [("ci", KeyState.ACTIVE)]


def test_keys_that_work_no_more_do_not_count(tmp_path: Path) -> None:
    make_key(tmp_path, "ci", expires_at=time.time() - 10)
    make_key(tmp_path, "first", ["viewer"])
    revoke_key(tmp_path, "first")

    with first_key.ensure(Config(data=tmp_path)) as first:
        first.was_shown = True

    assert first.secret is not None
    assert states(tmp_path)[-1] == ("first", KeyState.ACTIVE)


def test_a_key_that_nobody_saw_is_revoked_so_that_the_next_start_makes_another(
    tmp_path: Path,
) -> None:
    with pytest.raises(KeyboardInterrupt), first_key.ensure(Config(data=tmp_path)):
        raise KeyboardInterrupt

    with first_key.ensure(Config(data=tmp_path)) as second:
        second.was_shown = True

    assert second.secret is not None
    assert states(tmp_path) == [("first", KeyState.REVOKED), ("first", KeyState.ACTIVE)]
