"""Writes what the table of routes comes to, one line for each method of each route.

``python -m tests.unit.contract.decisions``, from the folder of the repository, writes the file
that a test compares, so that a change to the rules shows what it changes.
"""

from __future__ import annotations

from pathlib import Path

from headgate.contract import Row, table
from headgate.model import ObjectField

FILE = Path(__file__).with_name("decisions.tsv")
HEADER = (
    *("family", "action", "method", "path", "operation", "also needs", "objects"),
    *("decides by body", "retry", "body", "size", "public", "since", "native since"),
)


def text() -> str:
    """The whole file."""
    lines = [HEADER, *sorted(map(_line, table().rows))]
    return "".join("\t".join(line) + "\n" for line in lines)


def _line(row: Row) -> tuple[str, ...]:
    operation = row.operation
    return (
        operation.family,
        operation.action.value,
        row.method,
        " ".join(row.paths),
        operation.name,
        " ".join(operation.also),
        " ".join(map(_object, operation.objects)),
        "yes" if operation.decides_by_body else "",
        operation.retry.value,
        operation.body.value,
        operation.size.value,
        "public" if operation.public else "any key" if operation.any_key else "",
        operation.since,
        operation.native_since,
    )


def _object(field: ObjectField) -> str:
    new = "?" if field.may_be_new else ""
    return f"{field.kind.value}{new}={field.place.value}:{field.name}"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
