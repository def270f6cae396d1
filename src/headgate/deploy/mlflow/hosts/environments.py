"""Folders with Python environments, one for each version of MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.deploy.mlflow.errors import NoSuchVersionError
from headgate.deploy.mlflow.interpreter import identify
from headgate.deploy.mlflow.records import Version


class Environments:
    """Environments below one folder, each in a folder that is named by its version."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._revisions: dict[str, Sequence[str]] = {}

    def at(self, python: Path, place: str) -> Version:
        """The version of an interpreter.

        Raises:
            HostError: it has none, or does not say which.
        """
        version, revisions = identify(python, place)
        self._revisions[version.place] = revisions
        return version

    def find(self, wanted: str) -> Version:
        """A version by its number, or by the folder of its environment.

        Raises:
            NoSuchVersionError: there is none.
        """
        place = Path(wanted).absolute() if "/" in wanted else self._root / wanted
        python = place / "bin/python"
        if not python.exists():
            number = place.name
            raise NoSuchVersionError(
                f"there is no MLflow {number} in {place}; install it with: python3 -m venv "
                f"{place} && {python} -m pip install mlflow=={number}, with the drivers and "
                "plugins that the present one has"
            )
        version = self.at(python, str(place))
        if "/" not in wanted and version.number != wanted:
            raise NoSuchVersionError(
                f"{place} is named {wanted} and has MLflow {version.number}: name it by what it has"
            )
        return version

    def revisions(self, version: Version) -> Sequence[str]:
        """The Alembic revisions of a version.

        Raises:
            HostError: its environment is not what it was.
        """
        if version.place not in self._revisions:
            self.at(python_of(version), version.place)
        return self._revisions[version.place]


def python_of(version: Version) -> Path:
    """The interpreter of a version: its place is that, or the folder of its environment."""
    place = Path(version.place)
    return place / "bin/python" if place.is_dir() else place
