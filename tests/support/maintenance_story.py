"""What happens to an MLflow that is upgraded by command, and to its clients meanwhile.

A scene takes a minute to start, so that the cases of one database share it: each begins and ends
with the old version, and has clients of its own.  A scene in which a case failed is not used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest

from tests.support.maintenance import (
    NEW,
    OLD,
    UPSTREAM,
    MaintenanceScene,
    MlflowUnit,
    maintenance_scene,
)
from tests.support.maintenance_load import MaintenanceLoad, Verdict, maintenance_load
from tests.support.maintenance_record import record
from tests.support.maintenance_unit import BROKEN, DEAF, UNFIT


class Story:
    """The scene and its clients, and what happens to them.

    Attributes:
        is_upgraded: whether the new version was seen to run.
    """

    def __init__(self, scene: MaintenanceScene, load: MaintenanceLoad, kind: str) -> None:
        assert isinstance(scene.mlflow, MlflowUnit)
        self.scene = scene
        self.unit = scene.mlflow.unit
        self.load = load
        self.old_head = scene.head()
        self.is_upgraded = False
        self._kind = kind

    def is_old(self) -> None:
        """The old version runs on its database, and clients work with it."""
        assert (self.unit.version(), self.scene.head()) == (OLD, self.old_head)
        assert self.scene.step() == ""
        self.goes_on()

    def is_new(self) -> None:
        """The new version runs on the database that it migrated, and clients work with it."""
        assert self.unit.version() == NEW
        assert self.scene.head() != self.old_head
        assert self.scene.step() == ""
        self.goes_on()
        self.is_upgraded = True

    def refuses(self) -> bool:
        """Whether the lease has ended."""
        return bool(self.scene.ask("GET", UPSTREAM)["state"] == "refusing")

    def goes_on(self) -> None:
        """Nobody waits any more."""
        upstream = self.scene.ask("GET", UPSTREAM)
        assert upstream["park"] is None, upstream
        self.load.go_on()

    def broken(self) -> str:
        """A new version whose migration fails when some of its steps are done."""
        return self._bad(BROKEN)

    def unfit(self) -> str:
        """A new version that starts, and does not pass verification."""
        return self._bad(UNFIT)

    def deaf(self) -> str:
        """A new version that does not start."""
        return self._bad(DEAF)

    def _bad(self, name: str) -> str:
        place = self.unit.folder / name
        return str(place if place.exists() else self.unit.add(NEW, name))

    def verdict(self, case: str) -> Verdict:
        """Let the clients come to their end; what came of them is recorded, if that is wanted."""
        self.load.go_on()
        found = self.load.verdict(self.scene.mlflow.url)
        record(case, self._kind, found)
        return found


class Scenes:
    """The scene of each kind of database, started when it is asked for first."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._running: dict[str, tuple[ExitStack, MaintenanceScene]] = {}
        self._stories = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kind in tuple(self._running):
            self._end(kind)

    def _end(self, kind: str) -> None:
        stack, _ = self._running.pop(kind)
        stack.close()

    def _scene(self, kind: str) -> MaintenanceScene:
        if kind not in self._running:
            stack = ExitStack()
            folder = self._folders.mktemp(kind)
            scene = stack.enter_context(maintenance_scene(folder, kind, unit=True))
            self._running[kind] = (stack, scene)
            assert isinstance(scene.mlflow, MlflowUnit)
            scene.mlflow.unit.add(NEW)
        return self._running[kind][1]

    @contextmanager
    def story(self, kind: str) -> Iterator[Story]:
        """A scene with clients of its own; if the block fails, nobody uses that scene again."""
        scene = self._scene(kind)
        self._stories += 1
        name = f"story-{self._stories}"
        try:
            clients = scene.clients(label=name)
            with maintenance_load(scene.folder / name, clients) as load:
                yield Story(scene, load, kind)
        except BaseException:  # also an interrupted case leaves a scene that is no good
            self._end(kind)
            raise
