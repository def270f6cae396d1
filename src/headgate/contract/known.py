"""What real MLflow servers answer: ``data/mlflow-VERSION.json``, written by a program.

``tools/generate_routes.py`` makes the files; nobody edits them.  They are those of the versions in
which much was new, or moved between Flask and FastAPI or below ``--static-prefix``: what a version
between two of them answers is in one of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

_FILE = re.compile(r"mlflow-([\d.]+)\.json")


class KnownRoute(NamedTuple):
    """A method and a path that one version answers.

    ``place``: what of the path comes before ``path``, such as ``/api/2.0``, or nothing.
    ``bare``: whether it stays where it is when MLflow is started with ``--static-prefix``.
    ``objects``: the fields of its message that name an object, with the kind of it.
    """

    version: str
    method: str
    place: str
    path: str
    native: bool
    bare: bool
    fields: frozenset[str]
    objects: tuple[tuple[str, str], ...]


def read_known() -> dict[str, tuple[KnownRoute, ...]]:
    """The routes of each version, the oldest version first."""
    files = {
        match[1]: file.read_text("utf-8")
        for file in resources.files("headgate.contract").joinpath("data").iterdir()
        if (match := _FILE.fullmatch(file.name))
    }
    return {
        version: tuple(_routes(version, files[version])) for version in sorted(files, key=numbers)
    }


def numbers(version: str) -> tuple[int, ...]:
    """A version as something that can be compared; what follows the numbers is left out.

    >>> numbers("3.10.1") > numbers("3.9.0rc2")
    True
    """
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _routes(version: str, text: str) -> Iterator[KnownRoute]:
    for record in json.loads(text)["routes"]:
        fields = frozenset(record.get("fields", ()))
        objects = tuple(record.get("objects", {}).items())
        native = record["served_by"] == "native"
        bare = record.get("bare", ())
        for method in record["methods"]:
            for place in record.get("at", ("",)):
                yield KnownRoute(
                    version, method, place, record["path"], native, place in bare, fields, objects
                )
