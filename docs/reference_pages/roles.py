"""The page of roles, from ``headgate.policy``."""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference_pages.markdown import GENERATED, table
from headgate.contract import table as routes
from headgate.model import FAMILIES, Action, ObjectKind
from headgate.policy import BUILT_IN, DEFAULT_ROLES, Roles
from headgate.policy.scopes import NARROWED_BY, OF_NO_UPSTREAM, OF_NO_WORKSPACE

_INTRODUCTION = """# Roles

A key has roles, a role is a set of grants, and each operation needs a grant. What no grant allows
is denied. [Permissions](../explanation/permissions.md) explains how the gate decides; [grant
permissions](../how-to/grant-permissions.md) has step-by-step instructions.

## Built-in roles

"""
_DEFAULT = """
A new key has the roles {default} unless you name others. A built-in role cannot be changed; a role
of your own can include it.
"""
_GRANTS = """
## Grants

```text
ACTION:FAMILY [on experiment PATTERN | on model PATTERN] [in upstream NAME] [in workspace NAME]
```

"""
_PARTS = (
    (
        "`ACTION`",
        "`read`, `write`, `delete`, `administer`, or `*` for all four. None includes another.",
    ),
    ("`FAMILY`", "A family from the table below, or `*` for all."),
    ("`on experiment PATTERN`", "Only for objects in experiments whose names match."),
    ("`on model PATTERN`", "Only for registered models, including prompts, whose names match."),
    ("`in upstream NAME`", "Only on this upstream, `[upstreams.NAME]` in the configuration."),
    (
        "`in workspace NAME`",
        "Only in requests that name this MLflow workspace (`X-MLFLOW-WORKSPACE`).",
    ),
)
_PATTERNS = """
In a pattern `*` matches any text, including `/`, and `?` matches one character; there are no other
special characters. The whole name has to match, case-sensitive; names are compared in Unicode's
composed form (NFC). Write a pattern or name that contains a space in double quotes. It cannot
contain a double quote.

## Families

For each action on a family, the least of the built-in roles that allows it; *own* if only a role
of your own can allow it, or `admin`, which allows everything; empty if MLflow has no such
operation. *Narrowed by* lists the `on` conditions that a grant for the family can have.
*Workspace* says whether the family can be granted in a workspace.

"""


def page() -> str:
    """The whole page."""
    default = " and ".join(f"`{role}`" for role in DEFAULT_ROLES)
    actions = (action.value for action in Action)
    return "".join(
        (
            GENERATED,
            _INTRODUCTION,
            table(("Role", "Meaning", "Includes", "Grants"), _roles()),
            _DEFAULT.format(default=default),
            _GRANTS,
            table(("Part", "Meaning"), _PARTS),
            _PATTERNS,
            table(("Family", "Covers", *actions, "Narrowed by", "Workspace"), _families()),
        )
    )


def _roles() -> Iterator[tuple[str, ...]]:
    for name, role in BUILT_IN.items():
        yield (
            f"`{name}`",
            role.meaning,
            ", ".join(f"`{each}`" for each in role.includes),
            ", ".join(f"`{grant}`" for grant in role.grants),
        )


def _families() -> Iterator[tuple[str, ...]]:
    least = Roles().grants_for("", []).ask_for
    there_is = {(row.operation.action, row.operation.family) for row in routes().rows}
    for family, described in FAMILIES.items():
        cells = []
        for action in Action:
            role = f"`{least[action, family]}`" if (action, family) in least else "own"
            cells.append(role if (action, family) in there_is else "")
        yield f"`{family}`", described.covers, *cells, _narrowed_by(family), _workspace(family)


def _narrowed_by(family: str) -> str:
    return ", ".join(
        f"`on {kind.value}`" for kind in ObjectKind if family in NARROWED_BY.get(kind, ())
    )


def _workspace(family: str) -> str:
    if family in OF_NO_UPSTREAM:
        return "no, and to no upstream"
    return "no" if family in OF_NO_WORKSPACE else "yes"
