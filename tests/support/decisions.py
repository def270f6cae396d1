"""The table of what each built-in role may do, as a file that a person can read.

``python -m tests.support.decisions`` writes it; a test compares it with what is decided.  Read the
difference before you commit it: each line that changes is something that somebody may do from then
on, or may do no longer.
"""

from __future__ import annotations

from pathlib import Path

from headgate.contract import table
from headgate.model import Operation
from headgate.policy import BUILT_IN, Allowed, Roles, evaluate, needed

FILE = Path("tests/unit/policy/decisions.tsv")  # below the folder of the repository


def text() -> str:
    """The whole table: a line for each operation, in the order of the contract."""
    operations = {row.operation.name: row.operation for row in table().rows}
    lines = [("operation", "needs", *BUILT_IN)]
    lines += [_line(operation) for operation in operations.values()]
    return "".join("\t".join(cells) + "\n" for cells in lines)


def _line(operation: Operation) -> tuple[str, ...]:
    families = (operation.family, *operation.also)
    return (
        operation.name,
        " ".join(needed(operation.action, family) for family in families),
        *(_may(role, operation) for role in BUILT_IN),
    )


def _may(role: str, operation: Operation) -> str:
    if operation.public:
        return "public"
    if operation.any_key:
        return "any key"
    grants = Roles().grants_for("key", [role])
    return "yes" if isinstance(evaluate(grants, operation, "default", None), Allowed) else "-"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
