"""The socket of the gate's own pages, in a folder that workers share one after the other."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from headgate.control.serving import ControlSocket
from headgate.errors import HeadgateError


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def test_who_comes_before_the_application_runs_waits(tmp_path: Path) -> None:
    path = tmp_path / "0.sock"
    with ControlSocket(path) as control:
        assert control.path == str(path)
        assert connects(path)
    assert not connects(path)


def test_what_a_killed_worker_has_left_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "0.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with ControlSocket(path):
        assert connects(path)


@pytest.mark.parametrize("name", ["a" * 200, "no/such/folder"])
def test_a_place_that_cannot_be_used_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name / "0.sock"
    with pytest.raises(HeadgateError, match="let TMPDIR name") as caught, ControlSocket(path):
        pass
    assert str(path) in str(caught.value)
