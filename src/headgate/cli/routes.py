"""``headgate routes``: every route that the gate knows, and what each of it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from headgate.cli.command import AsJson
from headgate.cli.output import document
from headgate.contract import Row, table
from headgate.errors import HeadgateError
from headgate.model import FAMILIES


def routes(
    family: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="Only those of this family.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all MLflow routes that the gate knows; it refuses all others."""
    rows = select(table().rows, family)
    if as_json:
        print(document({"routes": [described(row) for row in rows]}))
    else:
        print("\n".join(lines(rows)))


def select(rows: Sequence[Row], family: str | None) -> list[Row]:
    """The rows of a family, or all; by family, path and method.

    Raises:
        HeadgateError: when there is no such family.
    """
    if family is not None and family not in FAMILIES:
        raise HeadgateError(f"there is no family {family!r}; there are {', '.join(FAMILIES)}")
    chosen = [row for row in rows if family in {None, row.operation.family}]
    order = list(FAMILIES)
    return sorted(
        chosen,
        key=lambda row: (order.index(row.operation.family), row.operation.path, row.method),
    )


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """A table for people: one path stands for the same one below ``/api`` and ``/ajax-api``."""
    cells = [
        (
            row.operation.family,
            row.operation.action.value,
            row.method,
            row.operation.since or "-",
            row.paths[-1],
        )
        for row in rows
    ]
    cells.insert(0, ("FAMILY", "ACTION", "METHOD", "SINCE", "PATH"))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip()


def described(row: Row) -> dict[str, object]:
    """All that is known of a route, for JSON."""
    operation = row.operation
    return {
        "operation": operation.name,
        "method": row.method,
        "paths": row.paths,
        "family": operation.family,
        "also": operation.also,
        "action": operation.action.value,
        "objects": [
            {
                "kind": field.kind.value,
                "place": field.place.value,
                "name": field.name,
                "may_be_new": field.may_be_new,
            }
            for field in operation.objects
        ],
        "decides_by_body": operation.decides_by_body,
        "retry": operation.retry.value,
        "body": operation.body.value,
        "size": operation.size.value,
        "public": operation.public,
        "any_key": operation.any_key,
        "since": operation.since,
        "native_since": operation.native_since,
    }
