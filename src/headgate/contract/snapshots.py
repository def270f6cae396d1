"""The routes of real MLflow servers: ``data/mlflow-VERSION.json``, written by a program.

``tools/generate_routes.py`` makes the files; nobody edits them.  They are those of the versions in
which much was new, or moved between Flask and FastAPI or below ``--static-prefix``: the routes of
a version between two of them are in one of the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from headgate.contract.messages import Message, build

_FILE = re.compile(r"mlflow-([\d.]+)\.json")


class SnapshotRoute(NamedTuple):
    """A method and a path that one version has.

    ``mount``: what of the path comes before ``path``, such as ``/api/2.0``, or nothing.
    ``bare``: whether it stays where it is when MLflow is started with ``--static-prefix``.
    ``objects``: the fields of its message that name an object, with the kind of it.
    ``message``: what its handler fills from the request.  ``query`` and ``body``: the names that it
    reads from there by itself.
    """

    version: str
    method: str
    mount: str
    path: str
    native: bool
    bare: bool
    fields: frozenset[str]
    objects: tuple[tuple[str, str], ...]
    message: Message | None = None
    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()


def read_snapshots() -> dict[str, tuple[SnapshotRoute, ...]]:
    """The routes of each version, the oldest version first.

    A type of message is the same for all of them, with the fields of all: none has ever changed
    its type.
    """
    files = {
        match[1]: json.loads(file.read_text("utf-8"))
        for file in resources.files("headgate.contract").joinpath("data").iterdir()
        if (match := _FILE.fullmatch(file.name))
    }
    versions = sorted(files, key=numbers)
    types: dict[str, dict[str, str]] = {}
    enums: dict[str, dict[str, int]] = {}
    for version in versions:
        for name, fields in files[version]["messages"].items():
            types.setdefault(name, {}).update(fields)
        for name, values in files[version]["enums"].items():
            enums.setdefault(name, {}).update(values)
    messages = build(types, enums)
    return {
        version: tuple(_routes(version, files[version]["routes"], messages)) for version in versions
    }


@cache
def messages_of(version: str) -> dict[str, Message]:
    """The types of messages of one of the known versions, by name, with its fields alone."""
    file = resources.files("headgate.contract").joinpath("data", f"mlflow-{version}.json")
    snapshot = json.loads(file.read_text("utf-8"))
    return build(snapshot["messages"], snapshot["enums"])


def numbers(version: str) -> tuple[int, ...]:
    """A version as something that can be compared; what follows the numbers is left out.

    >>> numbers("3.10.1") > numbers("3.9.0rc2")
    True
    """
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _routes(
    version: str, records: list[dict[str, Any]], messages: dict[str, Message]
) -> Iterator[SnapshotRoute]:
    for record in records:
        fields = frozenset(record.get("fields", ()))
        objects = tuple(record.get("objects", {}).items())
        native = record["served_by"] == "native"
        bare = record.get("bare", ())
        message = messages.get(record.get("message", ""))
        query, body = tuple(record.get("query", ())), tuple(record.get("body", ()))
        for method in record["methods"]:
            for mount in record.get("at", ("",)):
                yield SnapshotRoute(
                    version,
                    method,
                    mount,
                    record["path"],
                    native,
                    mount in bare,
                    fields,
                    objects,
                    message,
                    query,
                    body,
                )
