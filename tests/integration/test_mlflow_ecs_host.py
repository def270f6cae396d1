"""An upgrade's host in ECS: real MLflow servers as tasks of the stand-in."""

from __future__ import annotations

import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headgate.deploy.mlflow.errors import MigrationError
from headgate.deploy.mlflow.records import Standing
from headgate.testing.ecs import Image
from tests.support.ecs import NAME, mlflow_image
from tests.support.ecs_mlflow import EcsMlflow, ecs_mlflow
from tests.support.maintenance import NEW, OLD

# What an upgrade does on the way forward is in test_mlflow_ecs_upgrade.py, in every run.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.db"


@pytest.fixture
def scene(tmp_path: Path, database: Path) -> Iterator[EcsMlflow]:
    url = f"sqlite:///{database}"
    images = {
        f"mlflow:{OLD}": mlflow_image(OLD),
        f"mlflow:{NEW}": mlflow_image(NEW),
        "mlflow:9.9.9": Image(
            command=("python3",),
            programs={"python3": ("/bin/sh", "-c", 'echo "no such column"; exit 3')},
            port=None,
        ),
        "mlflow:9.9.8": Image(
            command=("python3",),
            programs={"python3": ("/bin/sh", "-c", "exec sleep 3600")},
            port=None,
        ),
    }
    with ecs_mlflow(tmp_path, images, f"mlflow:{OLD}", url) as scene:
        yield scene


def head(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("select version_num from alembic_version").fetchone()[0])


def served(scene: EcsMlflow) -> set[str]:
    """The versions that the running tasks serve."""
    found = set()
    for task in scene.plane.tasks.of(scene.service):
        named = {"Host": f"{NAME}:5000"}
        request = urllib.request.Request(f"http://{task.address}:5000/version", headers=named)
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            found.add(response.read().decode())
    return found


def gone(standing: Standing) -> bool:
    return standing.processes == 0


def test_mlflow_is_upgraded_and_put_back(scene: EcsMlflow, database: Path, tmp_path: Path) -> None:
    host = scene.host
    old = host.current()
    assert (old.number, host.look().place) == (OLD, old.place)
    new = host.find(NEW)
    assert (new.number, new.place.partition("+")[0]) == (NEW, old.place)
    before = head(database)

    host.stop()
    scene.wait("no task", gone)
    shutil.copy(database, tmp_path / "copy.db")

    for image, words in (
        ("9.9.9", "exited with 3"),
        ("9.9.8", "not ended within 20 s"),
    ):
        with pytest.raises(MigrationError, match=words):
            host.migrate(host.find(image), 20)
        assert gone(host.look())
        assert head(database) == before

    said = host.migrate(new, 3000)
    assert said.endswith("ended with exit code 0")
    assert gone(host.look())
    assert head(database) != before

    # The old version refuses the new schema, and ECS gives up.
    host.start(old)
    failed = scene.wait("the old version to fail", lambda found: found.failed)
    assert "exited with" in failed.note
    host.stop()
    scene.wait("no task", gone)

    host.start(new)
    scene.wait("the new version", lambda found: found.healthy)
    assert served(scene) == {NEW}
    assert host.look().place == new.place == host.current().place
    host.start(new)
    assert host.look().healthy

    host.stop()
    scene.wait("no task", gone)
    shutil.copy(tmp_path / "copy.db", database)
    host.start(old)
    scene.wait("the old version", lambda found: found.healthy)
    assert served(scene) == {OLD}
    assert host.current() == old
