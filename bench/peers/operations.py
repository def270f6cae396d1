"""The maps from paths to operations that the other programs name requests with in their logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headgate.contract import table
from headgate.model import Operation


def exact_paths() -> Mapping[str, Operation]:
    """The operation at each path of MLflow without a parameter.

    A path with parameters would need a pattern, which other programs try one after the other.
    """
    return {
        path: row.operation
        for row in reversed(table().rows)
        for path in row.paths
        if "{" not in path
    }


def write_maps(folder: Path, form: str) -> None:
    """Write ``operations.map`` and ``families.map``, with ``exact_paths``, into ``folder``.

    Args:
        folder: of the program.
        form: of a line, with the places ``path`` and ``value``.
    """
    found = exact_paths()
    for name, values in (
        ("operations.map", {path: operation.name for path, operation in found.items()}),
        ("families.map", {path: operation.family for path, operation in found.items()}),
    ):
        lines = [form.format(path=path, value=value) for path, value in values.items()]
        (folder / name).write_text("\n".join([*lines, ""]), encoding="ascii")
