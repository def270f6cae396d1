"""A gate of which nothing is left is told from one that runs, and from one elsewhere."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from headgate.runtime.gate_marks import GateMarks, Machine, this_machine

HERE = Machine("boot-1", "machine-1")
STORE = "/data/keys.sqlite"


def marks(folder: Path, machine: Machine = HERE, store: str = STORE) -> GateMarks:
    return GateMarks(folder, store, machine)


def killed(folder: Path, gate_id: str = "g_dead", machine: Machine = HERE) -> None:
    """Leave what a gate leaves that was killed."""
    gone = marks(folder, machine)
    gone.make(gate_id)
    gone.close()


def test_a_gate_that_runs_is_no_dead_one(tmp_path: Path) -> None:
    own = marks(tmp_path)
    own.make("g_own")
    assert own.ended() == []
    assert marks(tmp_path).ended() == []
    own.close()
    assert marks(tmp_path).ended() == ["g_own"]


def test_a_worker_that_outlives_its_supervisor_counts(tmp_path: Path) -> None:
    read, write = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        marks(tmp_path).make("g_orphan")
        worker = os.fork()
        if worker == 0:
            os.write(write, b"%d" % os.getpid())
            signal.pause()
        os._exit(0)
    worker = int(os.read(read, 20))
    os.waitpid(supervisor, 0)
    try:
        assert marks(tmp_path).ended() == []
    finally:
        os.kill(worker, signal.SIGKILL)
        os.close(read)
        os.close(write)


def test_once_removed_it_is_forgotten(tmp_path: Path) -> None:
    killed(tmp_path)
    found = marks(tmp_path)
    assert found.ended() == ["g_dead"]
    found.remove("g_dead")
    found.remove("g_dead")
    assert found.ended() == []
    assert list(tmp_path.iterdir()) == []


def test_of_another_store_it_says_nothing(tmp_path: Path) -> None:
    killed(tmp_path)
    assert marks(tmp_path, store="postgresql://db/gates").ended() == []


@pytest.mark.parametrize(
    ("machine", "counts"),
    [
        (Machine("boot-1", ""), True),
        (Machine("boot-2", "machine-1"), True),
        (Machine("boot-2", "machine-2"), False),
        (Machine("", ""), False),
    ],
)
def test_a_copy_of_the_folder_elsewhere_says_nothing(
    machine: Machine, counts: bool, tmp_path: Path
) -> None:
    """The gate may well run where the folder was copied from."""
    killed(tmp_path)
    assert marks(tmp_path, machine).ended() == (["g_dead"] if counts else [])


def test_without_any_id_of_the_machine_nothing_counts(tmp_path: Path) -> None:
    killed(tmp_path, machine=Machine("", ""))
    assert marks(tmp_path, Machine("", "")).ended() == []


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', json.dumps([1, 2, 3, 4]), "\0"])
def test_what_is_no_mark_says_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "gate-g_dead.lock").write_text(content, "utf-8")
    assert marks(tmp_path).ended() == []


def test_other_files_are_none_of_its_business(tmp_path: Path) -> None:
    killed(tmp_path)
    (tmp_path / "gate-g_dead.lock").rename(tmp_path / "gate-../g.lock".replace("/", "_"))
    (tmp_path / "gate-g_linked.lock").symlink_to("/etc/hostname")
    assert marks(tmp_path).ended() == []
    assert marks(tmp_path / "missing").ended() == []


def test_where_it_cannot_be_written_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        marks(tmp_path / "missing").make("g_own")


def test_the_kernel_has_an_id_of_its_start() -> None:
    assert this_machine().boot
